// A product's picture, made from its category and id: the same product always looks the same, and
// nothing is downloaded.

import { shape } from "./element.js";

/** Line drawings on a 24 × 24 grid. */
const DRAWINGS = {
  beauty: ["M9 11h6v10H9z", "M10 11V6l4-3v8", "M9 15h6"],
  fashion: ["M8 3l-5 4 2.5 3.5L7 9.5V21h10V9.5l1.5 1L21 7l-5-4c-.6 2-2 3-4 3S8.6 5 8 3z"],
  shoes: [
    "M3 8v9h18v-2.5c0-2-2.5-2.5-5-3.5-2-.8-3-2-4-4-1.5 1.5-4 2.5-9 1z",
    "M3 20h18",
    "M11 11l2-1.2",
    "M13 13l2-1.2",
  ],
  bag: ["M5 9h14l1.5 12h-17z", "M8.5 9V7a3.5 3.5 0 0 1 7 0v2"],
  jewel: ["M8 4h8l4 5-8 11L4 9z", "M4 9h16", "M9.5 9L12 20l2.5-11L12 4z"],
  food: ["M3 12h18a9 8 0 0 1-18 0z", "M8 21h8", "M9 9c-1.5-1.5 1-2.5 0-4.5", "M14 9c-1.5-1.5 1-2.5 0-4.5"],
  health: [
    "M5.2 18.8a4.6 4.6 0 0 1 0-6.5l7.1-7.1a4.6 4.6 0 0 1 6.5 6.5l-7.1 7.1a4.6 4.6 0 0 1-6.5 0z",
    "M8.8 8.7l6.5 6.5",
  ],
  kitchen: ["M4 10h16v7a3 3 0 0 1-3 3H7a3 3 0 0 1-3-3z", "M2 12.5h2", "M20 12.5h2", "M4 10a8 4 0 0 1 16 0", "M12 6V4"],
  appliance: ["M3 5h18v12H3z", "M8 21h8", "M12 17v4"],
  living: [
    "M4 12V9a3 3 0 0 1 3-3h10a3 3 0 0 1 3 3v3",
    "M2.5 12.5a2 2 0 0 1 4 0V15h11v-2.5a2 2 0 0 1 4 0V18h-19z",
    "M5 18v2.5",
    "M19 18v2.5",
  ],
  bedding: ["M3 19V6", "M3 16h18v3", "M21 16v-3a3 3 0 0 0-3-3h-8v6", "M6.5 12.5a1.8 1.8 0 1 0 .01 0z"],
  household: ["M9 3h5v3H9z", "M10 6v2.5L7.5 11v10h8V11L13 8.5V6", "M14 4h4v2.5", "M7.5 14.5h8"],
  sport: ["M3 9v6", "M6 7v10", "M18 7v10", "M21 9v6", "M6 12h12"],
  travel: ["M6 8h12v12H6z", "M9.5 8V4h5v4", "M10 11.5v5", "M14 11.5v5", "M8 20v1.5", "M16 20v1.5"],
  service: ["M12 3l7.5 3v5.5c0 4.5-3 7.5-7.5 9.5-4.5-2-7.5-5-7.5-9.5V6z", "M8.5 12l2.5 2.5 4.5-5"],
  child: [
    "M12 21a7 7 0 1 0-.01 0z",
    "M7 8.5A2.5 2.5 0 1 1 9 5",
    "M15 5a2.5 2.5 0 1 1 2 3.5",
    "M9.5 13v.5",
    "M14.5 13v.5",
    "M10 16.5c1.3 1 2.7 1 4 0",
  ],
  pet: [
    "M12 12c-3 0-5.5 3-5.5 5.5S9 20 12 20s5.5 0 5.5-2.5S15 12 12 12z",
    "M5 11.5v-.5",
    "M9.5 7.5V6.8",
    "M14.5 7.5v-.7",
    "M19 11.5V11",
  ],
  gift: [
    "M4 11h16v10H4z",
    "M3 7h18v4H3z",
    "M12 7v14",
    "M12 7C9 7 7 6 7 4.5S10 2.5 12 7z",
    "M12 7c3 0 5-1 5-2.5S14 2.5 12 7z",
  ],
};

/** Words in categories' names with their drawing and hue; the first match counts. */
const KINDS = [
  [/뷰티|화장|미용|스킨|메이크업|헤어/, "beauty", 338],
  [/신발|슈즈|구두|운동화/, "shoes", 28],
  [/주얼|시계|보석|귀금속/, "jewel", 48],
  [/가방|잡화|백/, "bag", 18],
  [/패션|의류|언더|속옷|란제리/, "fashion", 262],
  [/건강|영양|비타민|의료/, "health", 150],
  [/식품|푸드|농|수산|축산|과일|반찬|간식/, "food", 92],
  [/주방|조리/, "kitchen", 12],
  [/가전|디지털|컴퓨터|TV/i, "appliance", 214],
  [/침구|이불/, "bedding", 236],
  [/가구|인테리어|리빙|홈데코/, "living", 188],
  [/유아|아동|키즈|출산|교육|완구|도서/, "child", 40],
  [/반려|펫/, "pet", 60],
  [/생활|세제|욕실|청소|위생/, "household", 172],
  [/스포츠|레저|골프|등산|캠핑|운동/, "sport", 126],
  [/여행|티켓|항공|숙박/, "travel", 200],
  [/보험|렌탈|렌터|상조|서비스|금융|상품권|통신/, "service", 224],
];

/** FNV-1a over UTF-16 units: 32 bits that differ where ids differ. */
function hash(text) {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  return value >>> 0;
}

function kindOf(category, id) {
  const found = category === null ? undefined : KINDS.find(([words]) => words.test(category));
  if (found !== undefined) return { drawing: found[1], hue: found[2] };
  return { drawing: "gift", hue: hash(category ?? id) % 360 };
}

let gradients = 0;

/**
 * A square SVG tile for a product: hue and drawing by category, shade and backdrop by `product_id`.
 * Decoration only.
 */
export function picture(product) {
  const { drawing, hue } = kindOf(product.category, product.product_id);
  const bits = hash(product.product_id);
  const near = (hue + (bits % 31) - 15 + 360) % 360;
  const far = (near + 24 + ((bits >>> 5) % 24)) % 360;
  const gradient = `picture-${(gradients += 1)}`;
  const turn = (bits >>> 10) % 360;
  const spotX = 20 + ((bits >>> 13) % 60);
  const spotY = 20 + ((bits >>> 19) % 60);
  return shape(
    "svg",
    { class: "picture", viewBox: "0 0 96 96", "aria-hidden": "true", focusable: "false" },
    shape(
      "defs",
      {},
      shape(
        "linearGradient",
        { id: gradient, gradientTransform: `rotate(${turn} .5 .5)` },
        shape("stop", { offset: "0", "stop-color": `hsl(${near} 62% 88%)` }),
        shape("stop", { offset: "1", "stop-color": `hsl(${far} 58% 74%)` }),
      ),
    ),
    shape("rect", { width: 96, height: 96, fill: `url(#${gradient})` }),
    shape("circle", { cx: spotX, cy: spotY, r: 22 + ((bits >>> 25) % 20), fill: "#fff", opacity: ".28" }),
    shape("circle", { cx: 96 - spotX, cy: 96 - spotY, r: 10 + ((bits >>> 22) % 14), fill: "#fff", opacity: ".2" }),
    shape(
      "g",
      {
        transform: "translate(22 22) scale(2.17)",
        fill: "none",
        stroke: `hsl(${near} 48% 27%)`,
        "stroke-width": 1.25,
        "stroke-linecap": "round",
        "stroke-linejoin": "round",
      },
      DRAWINGS[drawing].map((d) => shape("path", { d })),
    ),
  );
}
