//! The known values of a filter, for a request that gave an unknown one: an empty list alone would
//! look like a category with nothing new. A known value gets no such hint, even if its list is
//! empty.

use super::problem::quoted;
use super::write_number;
use crate::request::ListQuestion;
use sinsang_core::pack::board::Board;

/// Limit on the listed values of a filter.
const MOST_VALUES: usize = 100;
/// Limit on their total size as JSON, in bytes.
const MOST_BYTES: usize = 4_096;

/// A filter: the beginning of its JSON member, its value in the question, the number of values on
/// the board, and the accessor of one by index.
type Filter<'q> = (&'q [u8], &'q Option<String>, usize, fn(&Board, usize) -> &str);

/// Appends the member `unknown` if a filter of `question` has a value that `board` does not know.
#[inline(never)]
pub(super) fn write(board: &Board, question: &ListQuestion, out: &mut Vec<u8>) {
    let filters: [Filter<'_>; 2] = [
        (b"\"category\":{\"given\":", &question.category, board.category_count(), Board::category),
        (b"\"channel\":{\"given\":", &question.channel, board.channel_count(), Board::channel_id),
    ];
    let mut before: &[u8] = b",\"unknown\":{";
    for (member, given, count, value) in filters {
        let Some(given) = given else { continue };
        if (0..count).any(|at| value(board, at) == given) {
            continue;
        }
        out.extend_from_slice(before);
        out.extend_from_slice(member);
        out.extend_from_slice(quoted(given).as_bytes());
        before = b",\"known\":[";
        let end = out.len().saturating_add(MOST_BYTES);
        for text in (0..count.min(MOST_VALUES)).map(|at| quoted(value(board, at))) {
            if out.len().saturating_add(text.len()) > end {
                break;
            }
            out.extend_from_slice(before);
            out.extend_from_slice(text.as_bytes());
            before = b",";
        }
        if before.len() > 1 {
            out.extend_from_slice(before);
        }
        out.extend_from_slice(b"],\"known_count\":");
        write_number(count, out);
        out.push(b'}');
        before = b",";
    }
    if before == b"," {
        out.push(b'}');
    }
}
