//! Checks of rows of the table `broadcasts`.

use super::{
    Fields, Length, PRICE_MAX, REVIEWS_MAX, Refusal, Repair, TITLE_MAX_CHARS, Table, column, columns,
    listing_id_from_title,
};
use crate::reject::Reason;
use crate::table::Broadcast;
use crate::value::{Measure, is_alphanumeric, is_brand_placeholder, is_title_placeholder};
use crate::{Column, Shape};

/// The table `broadcasts`.
pub struct Broadcasts;

impl Broadcasts {
    columns! {
        LISTING_ID = column("listing_id", Shape::Id, false).also(&[
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
        ]);
        SHOP = column("shop", Shape::Text, true)
            .also(&["shopname", "mall", "mallname", "seller", "쇼핑몰", "홈쇼핑", "홈쇼핑사", "판매사", "판매처"])
            .or("channel");
        CHANNEL = column("channel", Shape::Text, true).also(&["channelname", "채널", "채널명", "방송사", "방송채널"]).or("shop");
        TITLE = column("title", Shape::Text, true).also(&[
            "listingtitle",
            "itemname",
            "goodsname",
            "productname",
            "prdname",
            "name",
            "상품명",
            "방송상품명",
            "제목",
        ]);
        BRAND = column("brand", Shape::Text, false).also(&["brandname", "브랜드", "브랜드명"]);
        CATEGORY = column("category", Shape::Text, false).also(&["categoryname", "카테고리", "카테고리명", "분류"]);
        PRICE = column("price", Shape::Number, false).also(&["saleprice", "sellingprice", "가격", "판매가", "판매가격"]);
        LIST_PRICE = column("list_price", Shape::Number, false).also(&[
            "originalprice",
            "regularprice",
            "consumerprice",
            "정가",
            "소비자가",
        ]);
        IMAGE = column("image", Shape::Text, false).also(&["imageurl", "imgurl", "thumbnail", "thumbnailurl", "이미지"]);
        URL = column("url", Shape::Text, false).also(&["link", "itemurl", "producturl", "pageurl", "링크"]);
        STARTS_AT = column("starts_at", Shape::Time, true).also(&[
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
        ]);
        ENDS_AT = column("ends_at", Shape::Time, false).also(&[
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
        ]);
        REVIEW_COUNT = column("review_count", Shape::Number, false).also(&["reviews", "reviewcnt", "상품평수", "상품평", "리뷰수"]);
        COLLECTED_AT = column("collected_at", Shape::Time, false).also(&[
            "crawledat",
            "fetchedat",
            "scrapedat",
            "수집일시",
            "수집시간",
        ]);
        DATE = column("date", Shape::Time, false).also(&[
            "broadcastdate",
            "airdate",
            "dt",
            "ymd",
            "날짜",
            "방송일",
            "방송일자",
            "방송날짜",
            "편성일",
            "편성일자",
            "일자",
        ]);
    }

    fn brand(fields: &mut Fields<'_, '_>) -> Option<String> {
        let brand = fields.name(Self::BRAND)?;
        if is_brand_placeholder(&brand) { fields.dropped(Self::BRAND, Repair::Placeholder) } else { Some(brand) }
    }
}

impl Table for Broadcasts {
    type Row = Broadcast;
    const NAME: &'static str = "broadcasts";
    const COLUMNS: &'static [Column] = Self::ALL;

    fn check(&mut self, fields: &mut Fields<'_, '_>) -> Result<Broadcast, Refusal> {
        let shop = fields.name_or(Self::SHOP, Self::CHANNEL)?;
        let channel = fields.name_or(Self::CHANNEL, Self::SHOP)?;
        let title = fields.required_text(Self::TITLE, Shape::Text, Length::Chars(TITLE_MAX_CHARS))?;
        if !title.chars().any(is_alphanumeric) {
            return Err(Refusal::of(Self::TITLE, Reason::NoWords));
        }
        if is_title_placeholder(&title) {
            return Err(Refusal::of(Self::TITLE, Reason::Placeholder));
        }
        let (starts_at, lasts_ms) = fields.start(Self::STARTS_AT, Self::DATE)?;
        let listing_id = fields.code(Self::LISTING_ID).unwrap_or_else(|| {
            fields.repaired(Self::LISTING_ID, Repair::MadeFromTitle);
            listing_id_from_title(&title)
        });
        let price = fields.number(Self::PRICE, Measure::Won, 1, PRICE_MAX);
        let list_price = fields.number(Self::LIST_PRICE, Measure::Won, 1, PRICE_MAX);
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
            ends_at: fields.end(Self::ENDS_AT, starts_at, lasts_ms),
            review_count: fields.number(Self::REVIEW_COUNT, Measure::Count, 0, REVIEWS_MAX),
            collected_at: fields.optional_time(Self::COLLECTED_AT),
        })
    }
}
