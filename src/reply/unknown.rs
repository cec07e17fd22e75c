//! Which values a filter has, where it was given one that the board does not know: an empty list alone would look like a category with nothing
//! new. Of a value that the board knows nothing is told, whatever the list has.

use super::problem::quoted;
use super::write_number;
use crate::request::NewQuestion;
use sinsang_core::pack::board::Board;

/// Most values of a filter that are listed.
const MOST_VALUES: usize = 100;
/// As many bytes of them at most, all together as JSON.
const MOST_BYTES: usize = 4_096;

/// A filter: how its member begins, its value in the question, how many values the board has, and the one at a place.
type Filter<'q> = (&'q [u8], &'q Option<String>, usize, fn(&Board, usize) -> &str);

/// Appends the member `unknown` where a filter of `question` has a value that `board` does not know.
#[inline(never)]
pub(super) fn write(board: &Board, question: &NewQuestion, out: &mut Vec<u8>) {
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
