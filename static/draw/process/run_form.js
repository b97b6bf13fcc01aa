// @ts-check
/** The form that runs a pipeline; says beforehand which data products it would refuse. */

import { part, parts, slot } from "../find.js";
import { setText } from "../times.js";
import { number } from "../wording.js";

const NAMED_FILES = 3;

export class RunForm {
  /**
   * @param {HTMLFormElement} form
   * @param {import("../product/selection.js").Selection} selection
   */
  constructor(form, selection) {
    this.form = form;
    this.selection = selection;
    form.querySelector("select")?.addEventListener("change", () => this.draw());
  }

  get pipeline() {
    return this.form.querySelector("select")?.value ?? "";
  }

  /** @returns {Record<string, boolean>} */
  get flags() {
    const boxes = /** @type {HTMLInputElement[]} */ (parts("input", this.#fields));
    return Object.fromEntries(boxes.map((box) => [box.name, box.checked]));
  }

  /** Show the chosen pipeline, how many data products it gets, and what it would refuse. */
  draw() {
    if (!this.form.querySelector("select")) return;
    for (const fields of this.#allFields) {
      fields.hidden = fields.disabled = fields.dataset.pipeline !== this.pipeline;
    }
    const problems = this.#problems();
    this.showProblems(problems);
    /** @type {HTMLButtonElement} */ (part("button.primary", this.form)).disabled = problems.length > 0;
  }

  /** @param {string[]} problems */
  showProblems(problems) {
    const list = part(".problems", this.form);
    if (list.textContent === problems.join("")) return;
    list.replaceChildren(...problems.map(item));
  }

  get #allFields() {
    return /** @type {HTMLFieldSetElement[]} */ (parts("fieldset", this.form));
  }

  get #fields() {
    const fields = this.#allFields.find((each) => each.dataset.pipeline === this.pipeline);
    if (!fields) throw new Error(`No fields for ${this.pipeline}`);
    return fields;
  }

  #problems() {
    const { suffixes, error } = this.#fields.dataset;
    if (error) return [`It cannot run here: ${error}`];
    const names = [...this.selection.chosen.values()];
    if (!names.length) return ["Choose the data products that it shall work on."];
    const refused = names.filter((name) => !allowed(name, JSON.parse(suffixes ?? "[]")));
    if (!refused.length) return [];
    const more = refused.length - NAMED_FILES;
    const listed = refused.slice(0, NAMED_FILES).join(", ") + (more > 0 ? ` and ${more} more` : "");
    return [`It does not take ${listed}.`];
  }
}

/**
 * @param {string} name
 * @param {string[]} suffixes none: any file is allowed
 */
function allowed(name, suffixes) {
  return !suffixes.length || suffixes.some((suffix) => name.toLowerCase().endsWith(suffix.toLowerCase()));
}

/** @param {string} text */
function item(text) {
  const element = document.createElement("li");
  element.textContent = text;
  return element;
}

/**
 * Show how many data products are chosen.
 *
 * @param {number} count
 */
export function drawCount(count) {
  setText(slot("count", part("#chosen")), number(count));
  setText(slot("noun", part("#chosen")), count === 1 ? "data product chosen" : "data products chosen");
  setText(slot("count", part("#chosen-bar")), number(count));
  part("#chosen-bar").hidden = !count;
}
