//! Rows of the table `broadcasts`.

use sinsang::time::UnixMillis;

use super::{
    Fields, Length, PRICE_MAX, REVIEWS_MAX, Refusal, Repair, SLOT_MAX_MS, TITLE_MAX_CHARS, Table, column,
    listing_id_from_title,
};
use crate::reject::Reason;
use crate::table::Broadcast;
use crate::value::{is_brand_placeholder, is_code_placeholder, is_rounded_code, is_title_placeholder};
use crate::{Column, Shape};

/// The table `broadcasts`.
pub struct Broadcasts;

impl Broadcasts {
    const LISTING_ID: usize = 0;
    const SHOP: usize = 1;
    const CHANNEL: usize = 2;
    const TITLE: usize = 3;
    const BRAND: usize = 4;
    const CATEGORY: usize = 5;
    const PRICE: usize = 6;
    const LIST_PRICE: usize = 7;
    const IMAGE: usize = 8;
    const URL: usize = 9;
    const STARTS_AT: usize = 10;
    const ENDS_AT: usize = 11;
    const REVIEW_COUNT: usize = 12;
    const COLLECTED_AT: usize = 13;

    /// The code, unless a spreadsheet made a number of it and left digits out, or it says that there is none.
    fn listing_id(fields: &mut Fields<'_, '_>) -> Option<String> {
        let id = fields.id(Self::LISTING_ID)?;
        if is_rounded_code(&id) {
            return fields.dropped(Self::LISTING_ID, Repair::Unreadable);
        }
        if is_code_placeholder(&id) { fields.dropped(Self::LISTING_ID, Repair::Placeholder) } else { Some(id) }
    }

    fn brand(fields: &mut Fields<'_, '_>) -> Option<String> {
        let brand = fields.name(Self::BRAND)?;
        if is_brand_placeholder(&brand) { fields.dropped(Self::BRAND, Repair::Placeholder) } else { Some(brand) }
    }

    fn ends_at(fields: &mut Fields<'_, '_>, starts_at: UnixMillis) -> Option<UnixMillis> {
        let ends_at = fields.optional_time(Self::ENDS_AT)?;
        match ends_at.since(starts_at) {
            ..=0 => fields.dropped(Self::ENDS_AT, Repair::EndBeforeStart),
            1..=SLOT_MAX_MS => Some(ends_at),
            _ => fields.dropped(Self::ENDS_AT, Repair::EndTooFar),
        }
    }
}

impl Table for Broadcasts {
    type Row = Broadcast;
    const NAME: &'static str = "broadcasts";
    const COLUMNS: &'static [Column] = &[
        column("listing_id", Shape::Id, false).also(&[
            "itemid",
            "itemcode",
            "itemno",
            "goodsid",
            "goodscode",
            "goodsno",
            "productcode",
            "productno",
            "prdid",
            "prdno",
            "listingno",
            "sku",
            "상품코드",
            "상품번호",
            "판매코드",
        ]),
        column("shop", Shape::Text, true)
            .also(&["shopname", "mall", "mallname", "seller", "쇼핑몰", "홈쇼핑", "홈쇼핑사", "판매사", "판매처"])
            .or("channel"),
        column("channel", Shape::Text, true).also(&["channelname", "채널", "채널명", "방송사", "방송채널"]).or("shop"),
        column("title", Shape::Text, true).also(&[
            "listingtitle",
            "itemname",
            "goodsname",
            "productname",
            "prdname",
            "name",
            "상품명",
            "방송상품명",
            "제목",
        ]),
        column("brand", Shape::Text, false).also(&["brandname", "브랜드", "브랜드명"]),
        column("category", Shape::Text, false).also(&["categoryname", "카테고리", "카테고리명", "분류"]),
        column("price", Shape::Number, false).also(&["saleprice", "sellingprice", "가격", "판매가", "판매가격"]),
        column("list_price", Shape::Number, false).also(&[
            "originalprice",
            "regularprice",
            "consumerprice",
            "정가",
            "소비자가",
        ]),
        column("image", Shape::Text, false).also(&["imageurl", "imgurl", "thumbnail", "thumbnailurl", "이미지"]),
        column("url", Shape::Text, false).also(&["link", "itemurl", "producturl", "pageurl", "링크"]),
        column("starts_at", Shape::Time, true).also(&[
            "startat",
            "starttime",
            "start",
            "startdatetime",
            "startedat",
            "broadcastat",
            "airedat",
            "beginat",
            "begin",
            "방송시작",
            "방송시작시간",
            "방송시작일시",
            "시작시간",
            "시작일시",
            "방송일시",
            "방송시간",
        ]),
        column("ends_at", Shape::Time, false).also(&[
            "endat",
            "endtime",
            "end",
            "enddatetime",
            "endedat",
            "방송종료",
            "방송종료시간",
            "방송종료일시",
            "종료시간",
            "종료일시",
        ]),
        column("review_count", Shape::Number, false).also(&["reviews", "reviewcnt", "상품평수", "상품평", "리뷰수"]),
        column("collected_at", Shape::Time, false).also(&[
            "crawledat",
            "fetchedat",
            "scrapedat",
            "수집일시",
            "수집시간",
        ]),
    ];

    fn check(&mut self, fields: &mut Fields<'_, '_>) -> Result<Broadcast, Refusal> {
        let shop = fields.name_or(Self::SHOP, Self::CHANNEL)?;
        let channel = fields.name_or(Self::CHANNEL, Self::SHOP)?;
        let title = fields.required_text(Self::TITLE, Shape::Text, Length::Chars(TITLE_MAX_CHARS))?;
        if !title.chars().any(char::is_alphanumeric) {
            return Err(Refusal::of(Self::TITLE, Reason::NoWords));
        }
        if is_title_placeholder(&title) {
            return Err(Refusal::of(Self::TITLE, Reason::Placeholder));
        }
        let starts_at = fields.required_time(Self::STARTS_AT)?;
        let listing_id = Self::listing_id(fields).unwrap_or_else(|| {
            fields.repaired(Self::LISTING_ID, Repair::MadeFromTitle);
            listing_id_from_title(&title)
        });
        let price = fields.count(Self::PRICE, 1, PRICE_MAX);
        let list_price = fields.count(Self::LIST_PRICE, 1, PRICE_MAX);
        let list_price = match (list_price, price) {
            (Some(list_price), Some(price)) if list_price < price => {
                fields.dropped(Self::LIST_PRICE, Repair::BelowPrice)
            }
            _ => list_price,
        };
        Ok(Broadcast {
            listing_id,
            shop,
            channel,
            title,
            brand: Self::brand(fields),
            category: fields.name(Self::CATEGORY),
            price,
            list_price,
            image: fields.address(Self::IMAGE),
            url: fields.address(Self::URL),
            starts_at,
            ends_at: Self::ends_at(fields, starts_at),
            review_count: fields.count(Self::REVIEW_COUNT, 0, REVIEWS_MAX),
            collected_at: fields.optional_time(Self::COLLECTED_AT),
        })
    }
}
