// @ts-check
/** The form that runs a pipeline; says beforehand what it would refuse, and what it cannot read. */

import { part, parts, slot } from "../find.js";
import { setText } from "../times.js";
import { number } from "../wording.js";

const NAMED_FILES = 3;

export class RunForm {
  #busy = false;
  /** @type {import("../target/frame_list.js").Frame[]} those of the chosen that it cannot use */
  #doubtful = [];

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
    const { warnings, doubtful } = warningsOf([...this.selection.chosen.values()], this.#fields.dataset.type ?? "");
    const box = part("#run-warnings", this.form);
    box.hidden = !warnings.length;
    replaceItems(part("ul", box), warnings);
    part("#leave-out", box).hidden = doubtful.length === this.selection.chosen.size;
    this.#doubtful = doubtful;
    if (asked) part(".problems", this.form).scrollIntoView({ block: "nearest" });
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
 * Say which of the chosen frames a run cannot use, or a film leaves out.
 *
 * @param {import("../target/frame_list.js").Frame[]} frames
 * @param {string} type that of the pipeline
 */
function warningsOf(frames, type) {
  const unreadable = frames.filter(({ problem }) => problem);
  const rest = frames.filter(({ problem, fits }) => !problem && fits);
  const film = type === "timelapse" && frames.length > 1;
  const imageless = film ? rest.filter(({ fits }) => !fits?.width) : [];
  const images = rest.filter(({ fits }) => fits?.width);
  const undated = film ? images.filter(({ fits }) => fits?.date === null) : [];
  const usual = film ? usualSize(images) : "";
  const odd = film ? images.filter((frame) => !undated.includes(frame) && sizeOf(frame) !== usual) : [];
  const warnings = [
    sentence(unreadable, "cannot be read", "cannot be read"),
    sentence(imageless, "holds no image", "hold no image"),
    sentence(undated, "has no date, which a film needs", "have no date, which a film needs"),
    sentence(odd, `is not of ${usual} pixels, as most are`, `are not of ${usual} pixels, as most are`),
  ].filter(Boolean);
  return { warnings, doubtful: [...unreadable, ...imageless, ...undated, ...odd] };
}

/**
 * @param {import("../target/frame_list.js").Frame[]} frames
 * @param {string} one
 * @param {string} many
 */
function sentence(frames, one, many) {
  if (!frames.length) return "";
  const names = listed(frames.map(({ name }) => name));
  return frames.length === 1 ? `${names} ${one}.` : `${number(frames.length)} ${many}: ${names}.`;
}

/** @param {import("../target/frame_list.js").Frame} frame */
function sizeOf({ fits }) {
  return `${fits?.width} × ${fits?.height}`;
}

/** @param {import("../target/frame_list.js").Frame[]} frames */
function usualSize(frames) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const frame of frames) counts.set(sizeOf(frame), (counts.get(sizeOf(frame)) ?? 0) + 1);
  return [...counts].sort(([, one], [, other]) => other - one)[0]?.[0] ?? "";
}

/** @param {string[]} names */
function listed(names) {
  const more = names.length - NAMED_FILES;
  return names.slice(0, NAMED_FILES).join(", ") + (more > 0 ? ` and ${number(more)} more` : "");
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
