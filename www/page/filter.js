// The sort switch, the category chips and the channel list above the new-product tab.

import { element } from "./element.js";
import { say } from "./language.js";

const SORTS = [
  ["recommended", say("추천순")],
  ["soonest", say("방송순")],
];

/** Controls in `root` that call `change` with a person's changes to the state. */
export class Filters {
  #root;
  #change;
  #built = null;

  constructor(root, change) {
    this.#root = root;
    this.#change = change;
  }

  /**
   * Shows the filters for a state; until `status` is known (`null`), only chosen values are
   * offered.
   */
  show(state, status) {
    const categories = withChosen(status?.categories ?? [], state.category);
    const channels = status?.channels ?? [];
    const known = channels.some((channel) => channel.id === state.channel);
    const offered =
      known || state.channel === "" ? channels : [...channels, { id: state.channel, name: state.channel }];
    const signature = JSON.stringify([categories, offered]);
    if (signature !== this.#built) {
      this.#build(categories, offered);
      this.#built = signature;
    }
    for (const radio of this.#root.querySelectorAll('input[type="radio"]')) {
      radio.checked = state[radio.name] === radio.value;
    }
    const select = this.#root.querySelector("select");
    select.value = state.channel;
    select.classList.toggle("chosen", state.channel !== "");
  }

  #build(categories, channels) {
    this.#root.replaceChildren(
      element(
        "div",
        { class: "filter-row" },
        this.#radios("sort", say("정렬"), "switch", SORTS),
        element(
          "label",
          { class: "channel-filter" },
          element("span", { class: "unseen" }, say("채널")),
          element(
            "select",
            { onchange: (event) => this.#change({ channel: event.target.value }) },
            element("option", { value: "" }, say("모든 채널")),
            channels.map((channel) => element("option", { value: channel.id }, channel.name)),
          ),
        ),
      ),
      this.#radios("category", say("카테고리"), "chips", [
        ["", say("전체")],
        ...categories.map((category) => [category, category]),
      ]),
    );
  }

  #radios(name, legend, style, choices) {
    return element(
      "fieldset",
      { class: style },
      element("legend", { class: "unseen" }, legend),
      choices.map(([value, label]) =>
        element(
          "label",
          {},
          element("input", { type: "radio", name, value, onchange: () => this.#change({ [name]: value }) }),
          element("span", { lang: name === "category" && value !== "" ? "ko" : null }, label),
        ),
      ),
    );
  }
}

function withChosen(names, chosen) {
  return chosen === "" || names.includes(chosen) ? names : [...names, chosen];
}
