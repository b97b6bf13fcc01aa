// @ts-check
/** The form that runs a pipeline; says beforehand what it would refuse, and what it cannot read. */

import { part, parts, slot } from "../find.js";
import { setText } from "../times.js";
import { listed, number } from "../wording.js";

/** @type {import("./run_warnings.js").Warnings} */
const NO_WARNINGS = { warnings: [], doubtful: [] };

export class RunForm {
  #busy = false;
  /** @type {import("../target/frame_list.js").Frame[]} those of the chosen that it cannot use */
  #doubtful = [];
  /** @type {typeof import("./run_warnings.js").warningsOf | null} */
  #warningsOf = null;

  /**
   * @param {HTMLFormElement} form
   * @param {import("../product/selection.js").Selection} selection
   */
  constructor(form, selection) {
    this.form = form;
    this.selection = selection;
    form.querySelector("select")?.addEventListener("change", () => this.draw());
    form.querySelector("#leave-out")?.addEventListener("click", () => {
      selection.forget(this.#doubtful.map(({ pk }) => pk));
    });
  }

  get pipeline() {
    return this.form.querySelector("select")?.value ?? "";
  }

  /** @returns {Record<string, boolean>} */
  get flags() {
    const boxes = /** @type {HTMLInputElement[]} */ (parts("input", this.#fields));
    return Object.fromEntries(boxes.map((box) => [box.name, box.checked]));
  }

  /**
   * Show the chosen pipeline, what it would refuse, and what it would leave out.
   *
   * @param {boolean} [asked] whether somebody wants to run it
   */
  draw(asked = false) {
    if (!this.form.querySelector("select")) return;
    for (const fields of this.#allFields) {
      fields.hidden = fields.disabled = fields.dataset.pipeline !== this.pipeline;
    }
    const problems = this.problems();
    this.showProblems(problems);
    this.#button.disabled = this.#busy || problems.length > 0;
    for (const place of parts('[data-slot="pipeline"]', part("#chosen-bar"))) setText(place, this.pipeline);
    this.#drawWarnings();
    if (asked) part(".problems", this.form).scrollIntoView({ block: "nearest" });
  }

  #drawWarnings() {
    const frames = [...this.selection.chosen.values()];
    if (frames.length && !this.#warningsOf) return void this.#loadWarnings();
    const { warnings, doubtful } = this.#warningsOf?.(frames, this.#fields.dataset.type ?? "") ?? NO_WARNINGS;
    const box = part("#run-warnings", this.form);
    box.hidden = !warnings.length;
    replaceItems(part("ul", box), warnings);
    part("#leave-out", box).hidden = doubtful.length === frames.length;
    this.#doubtful = doubtful;
  }

  /** Load what warns, once something is chosen; until then, nothing has a warning. */
  async #loadWarnings() {
    try {
      const { warningsOf } = await import("./run_warnings.js");
      this.#warningsOf = warningsOf;
    } catch {
      return; // the server is away: the next choice tries again
    }
    this.#drawWarnings(); // of what is chosen by now
  }

  /** @param {boolean} busy whether a process is being submitted */
  setBusy(busy) {
    this.#busy = busy;
    this.draw();
  }

  /** @param {string[]} problems */
  showProblems(problems) {
    replaceItems(part(".problems", this.form), problems);
  }

  get #button() {
    return /** @type {HTMLButtonElement} */ (part("button.primary", this.form));
  }

  get #allFields() {
    return /** @type {HTMLFieldSetElement[]} */ (parts("fieldset", this.form));
  }

  get #fields() {
    const fields = this.#allFields.find((each) => each.dataset.pipeline === this.pipeline);
    if (!fields) throw new Error(`No fields for ${this.pipeline}`);
    return fields;
  }

  /** All that stands against a run, in sentences. */
  problems() {
    const { suffixes, error } = this.#fields.dataset;
    const problems = error ? [`It cannot run here: ${error}`] : [];
    const names = [...this.selection.chosen.values()].map(({ name }) => name);
    if (!names.length) problems.push("Choose the data products that it shall work on.");
    const refused = names.filter((name) => !allowed(name, JSON.parse(suffixes ?? "[]")));
    if (refused.length) problems.push(`It does not take ${listed(refused)}.`);
    return problems;
  }
}

/**
 * @param {string} name
 * @param {string[]} suffixes none: any file is allowed
 */
function allowed(name, suffixes) {
  return !suffixes.length || suffixes.some((suffix) => name.toLowerCase().endsWith(suffix.toLowerCase()));
}

/**
 * @param {HTMLElement} list
 * @param {string[]} texts
 */
function replaceItems(list, texts) {
  if ([...list.children].map((each) => each.textContent).join("\n") === texts.join("\n")) return;
  list.replaceChildren(...texts.map(item));
}

/** @param {string} text */
function item(text) {
  const element = document.createElement("li");
  element.textContent = text;
  return element;
}

/**
 * Show how many data products are chosen, and how many of them are not shown.
 *
 * @param {import("../product/selection.js").Selection} selection
 */
export function drawChosen(selection) {
  const count = selection.chosen.size;
  setText(slot("count", part("#chosen")), number(count));
  setText(slot("noun", part("#chosen")), count === 1 ? "data product chosen" : "data products chosen");
  setText(slot("count", part("#chosen-bar")), number(count));
  part("#chosen-bar").hidden = !count;
  const hidden = selection.hidden.length;
  part("#hidden-chosen").hidden = !hidden;
  setText(slot("words", part("#hidden-chosen")), `${number(hidden)} of them ${hidden === 1 ? "is" : "are"} not shown now.`);
  for (const button of /** @type {HTMLButtonElement[]} */ (parts("#selection-acts button"))) button.disabled = !count;
}
