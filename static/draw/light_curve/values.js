// @ts-check
/** The points of a light curve as a table, to be read and chosen without a pointer. */

import { ArrowKeys } from "../target/arrow_keys.js";
import { number } from "../wording.js";
import { dateOf } from "./light_curve.js";

/** @typedef {import("./chosen.js").Numbered} Numbered */

const ROWS = 200;
const COLUMNS = ["MJD", "date (UTC)", "value", "error", "filter", ""];

export class Values {
  #shown = ROWS;
  /** What is drawn. @type {import("./points.js").Point[]} */
  #points = [];

  /**
   * @param {HTMLElement} place
   * @param {import("./chosen.js").Chosen} chosen
   * @param {(point: Numbered) => void} lead shows where a point comes from
   */
  constructor(place, chosen, lead) {
    this.place = place;
    this.chosen = chosen;
    this.lead = lead;
    this.details = /** @type {HTMLDetailsElement} */ (place.closest("details"));
    this.details.addEventListener("toggle", () => this.#draw());
    place.addEventListener("change", (event) => {
      const box = /** @type {HTMLInputElement} */ (event.target);
      if (box.type === "checkbox") chosen.mark(Number(box.value), box.checked);
    });
    place.addEventListener("click", (event) => this.#clicked(/** @type {Element} */ (event.target)));
  }

  /** @param {import("./points.js").Point[]} points */
  show(points) {
    this.#points = [...points].sort((one, other) => other.time - one.time);
    this.#draw();
  }

  /** Bring the boxes up to date. */
  drawChosen() {
    for (const box of /** @type {NodeListOf<HTMLInputElement>} */ (this.place.querySelectorAll("tbody input"))) {
      box.checked = this.chosen.has(Number(box.value));
    }
  }

  /** @param {Element} clicked */
  #clicked(clicked) {
    const button = clicked.closest("button");
    if (button?.dataset.act === "further") {
      this.#shown += 5 * ROWS;
      this.#draw();
    } else if (button?.dataset.number) {
      const point = this.#points.find(({ number }) => number === Number(button.dataset.number));
      if (point) this.lead(/** @type {Numbered} */ (point));
    }
  }

  #draw() {
    if (!this.details.open) return;
    const held = /** @type {HTMLElement | null} */ (document.activeElement?.closest("[data-key-of]"))?.dataset.keyOf;
    const table = document.createElement("table");
    const head = table.createTHead().insertRow();
    head.append(...["Choose", ...COLUMNS].map((name, at) => heading(name, at)));
    const body = table.createTBody();
    body.append(...this.#points.slice(0, this.#shown).map((point) => this.#row(point)));
    const rest = this.#points.length - this.#shown;
    this.place.replaceChildren(table, ...(rest > 0 ? [further(rest)] : []));
    new ArrowKeys(table);
    if (held) /** @type {HTMLElement | null} */ (this.place.querySelector(`[data-key-of="${CSS.escape(held)}"]`))?.focus();
  }

  /** @param {import("./points.js").Point} point */
  #row(point) {
    const row = document.createElement("tr");
    const { time, value, error, filter, limit, out, number: own } = point;
    row.append(this.#box(point));
    const when = cell("");
    when.className = "figure";
    if (own === undefined) when.textContent = String(time);
    else {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", className: "link", textContent: String(time), title: "Show where this point comes from" });
      button.dataset.number = button.dataset.keyOf = String(own);
      when.append(button);
    }
    const shown = [`${limit ? (point.flux ? "<" : ">") : ""}${value}`, String(error ?? "")].map((text) => cell(text, "figure"));
    row.append(when, cell(dateOf(time)), ...shown, cell(filter ?? ""), cell([out && "left out", limit && "not detected"].filter(Boolean).join(", ")));
    if (out) row.className = "out";
    return row;
  }

  /** @param {import("./points.js").Point} point */
  #box({ number, time }) {
    const place = cell("");
    if (number === undefined) return place;
    const box = document.createElement("input");
    Object.assign(box, { type: "checkbox", value: String(number), checked: this.chosen.has(number), autocomplete: "off" });
    box.setAttribute("aria-label", `Choose the point of MJD ${time}`);
    box.dataset.keyOf = `box-${number}`;
    place.append(box);
    return place;
  }
}

/**
 * @param {string} text
 * @param {string} [name] of its class
 */
function cell(text, name = "") {
  const made = document.createElement("td");
  made.textContent = text;
  made.className = name;
  made.dir = "ltr";
  return made;
}

/**
 * @param {string} name
 * @param {number} at
 */
function heading(name, at) {
  const made = document.createElement("th");
  made.scope = "col";
  const words = document.createElement("span");
  words.textContent = name || "Notes";
  if (!at || !name) words.className = "unseen";
  made.append(words);
  return made;
}

/** @param {number} rest */
function further(rest) {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "small", textContent: `Further points (${number(rest)} more)` });
  button.dataset.act = "further";
  return button;
}
