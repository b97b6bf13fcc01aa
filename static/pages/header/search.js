// @ts-check
/** The search of every page (Ctrl+K): targets, processes, data products, and what can be done. */

import { pageOf } from "../../draw/process/process_row.js";
import { answerOf } from "../../draw/question.js";
import { may } from "../../draw/role.js";
import { addressOf } from "../../server/address.js";
import { ApiError, get } from "../../server/api.js";

const TYPING_MS = 120;

/** @typedef {{kind: string, text: string, more: string, href: string}} Choice */

/** What can be done from everywhere. */
const ACTS = [
  { text: "Now: what runs, waits and failed", href: addressOf("/now"), role: "viewer" },
  { text: "All processes", href: addressOf("/processes/"), role: "viewer" },
  { text: "What has failed", href: addressOf("/processes/?state=failed"), role: "viewer" },
  { text: "All targets", href: addressOf("/"), role: "viewer" },
  { text: "New target", href: addressOf("/#new-target"), role: "operator" },
  { text: "The API", href: addressOf("/api/docs/"), role: "viewer" },
];

/** What a page itself offers: the marked parts that can be seen. */
const OF_THE_PAGE = [
  { text: "Edit this target", selector: "#edit-target" },
  { text: "Upload files", selector: "#uploads" },
  { text: "Run a pipeline", selector: "#run" },
];

/** Show the search until something is chosen or it is closed. */
export async function openSearch() {
  const search = new Search();
  await search.show();
}

class Search {
  /** @type {Choice[]} */
  #choices = [];
  #chosen = 0;
  /** the text for which they were found */
  #drawnFor = "";
  #timer = 0;
  /** @type {AbortController | undefined} */
  #asking;

  constructor() {
    this.dialog = made("dialog", { id: "everything" });
    this.dialog.setAttribute("aria-label", "Search everything");
    this.input = made("input", { type: "search", placeholder: "Target, process, file, or what to do", maxLength: 200, autocomplete: "off", spellcheck: false });
    for (const [name, value] of Object.entries({
      role: "combobox", "aria-expanded": "true", "aria-controls": "everything-found", "aria-autocomplete": "list", "aria-label": "Search everything",
    })) this.input.setAttribute(name, value);
    this.list = made("ul", { id: "everything-found" });
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", "Found");
    this.news = made("p", { className: "faint" });
    this.news.setAttribute("role", "status");
    const form = made("form", { method: "dialog" });
    form.append(this.input, this.list, this.news);
    this.dialog.append(form);
    form.addEventListener("submit", (event) => void this.#submit(event));
    this.input.addEventListener("input", () => this.#typed());
    this.input.addEventListener("keydown", (event) => this.#pressed(event));
    this.dialog.addEventListener("click", ({ target }) => {
      if (target === this.dialog) this.dialog.close();
    });
  }

  async show() {
    document.body.append(this.dialog);
    this.#draw(actsFor(""));
    const closed = answerOf(this.dialog);
    this.input.focus();
    await closed;
    clearTimeout(this.#timer);
    this.#asking?.abort();
    this.dialog.remove();
  }

  #typed() {
    clearTimeout(this.#timer);
    const text = this.input.value.trim();
    if (text) this.#timer = setTimeout(() => void this.#ask(text), TYPING_MS);
    else this.#draw(actsFor(""));
  }

  /** @param {string} text */
  async #ask(text) {
    this.#asking?.abort();
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    if (!text) return this.#draw(actsFor(""));
    try {
      const found = await get(`/api/search/?${new URLSearchParams({ q: text })}`, signal);
      if (!signal.aborted) this.#draw([...choicesOf(found), ...actsFor(text)]);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (!signal.aborted) this.news.textContent = error.message;
    }
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !this.#choices.length) return;
    event.preventDefault();
    this.#choose((this.#chosen + step + this.#choices.length) % this.#choices.length);
  }

  /** @param {Event} event */
  async #submit(event) {
    event.preventDefault();
    const text = this.input.value.trim();
    if (text !== this.#drawnFor) {
      clearTimeout(this.#timer);
      await this.#ask(text); // who types fast does not mean what was found before
    }
    this.#open(this.#choices[this.#chosen]);
  }

  /** @param {Choice[]} choices */
  #draw(choices) {
    this.#choices = choices;
    this.#drawnFor = this.input.value.trim();
    this.list.replaceChildren(...choices.map((choice, number) => this.#item(choice, number)));
    this.list.hidden = !choices.length;
    const text = this.input.value.trim();
    this.news.textContent = choices.length || !text ? "" : `Nothing begins with “${text}”.`;
    this.#choose(0);
  }

  /**
   * @param {Choice} choice
   * @param {number} number
   */
  #item(choice, number) {
    const { kind, text, more } = choice;
    const item = made("li", { id: `found-${number}` });
    item.setAttribute("role", "option");
    item.append(made("b", { textContent: text }), made("span", { className: "under", textContent: more ? `${kind} · ${more}` : kind }));
    item.addEventListener("click", () => this.#open(choice));
    return item;
  }

  /** @param {Choice | undefined} choice */
  #open(choice) {
    if (!choice) return;
    this.dialog.close();
    location.assign(choice.href);
  }

  /** @param {number} number */
  #choose(number) {
    this.#chosen = number;
    for (const [place, item] of [...this.list.children].entries()) {
      item.setAttribute("aria-selected", String(place === number));
      if (place === number) item.scrollIntoView({ block: "nearest" });
    }
    if (this.#choices.length) this.input.setAttribute("aria-activedescendant", `found-${number}`);
    else this.input.removeAttribute("aria-activedescendant");
  }
}

/**
 * @param {any} found
 * @returns {Choice[]}
 */
function choicesOf({ targets, processes, dataproducts }) {
  return [
    ...targets.map((/** @type {any} */ each) => ({
      kind: "Target", text: each.name, more: each.identifier, href: addressOf(`/targets/${each.pk}/`),
    })),
    ...processes.map((/** @type {any} */ each) => ({
      kind: "Process", text: each.identifier, more: `${each.pipeline}, ${each.state}`,
      href: pageOf(each),
    })),
    ...dataproducts.map((/** @type {any} */ each) => ({
      kind: "File", text: each.name, more: "", href: addressOf(`/dataproducts/${each.pk}/`),
    })),
  ];
}

/**
 * @param {string} text
 * @returns {Choice[]} what can be done that has all words of the text
 */
function actsFor(text) {
  const words = text.toLowerCase().split(/\s+/);
  const here = OF_THE_PAGE.filter(({ selector }) => document.querySelector(selector));
  const acts = [
    ...here.map((each) => ({ text: each.text, href: each.selector })),
    ...ACTS.filter(({ role }) => may(/** @type {"viewer"} */ (role))).map((each) => ({ text: each.text, href: each.href })),
  ];
  return acts
    .filter((each) => words.every((word) => each.text.toLowerCase().includes(word)))
    .map((each) => ({ kind: "Act", more: "", ...each }));
}

/**
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Partial<HTMLElementTagNameMap[Name]>} properties
 * @returns {HTMLElementTagNameMap[Name]}
 */
function made(name, properties) {
  return Object.assign(document.createElement(name), properties);
}
