// @ts-check
/** The filters above the data products, with how many each of their values has. */

import { part, parts, slot } from "../find.js";
import { setText } from "../times.js";
import { number } from "../wording.js";
import { FACET_NAMES, kindsOf, optionsOf } from "./frame_list.js";

/** @typedef {import("./frame_list.js").Frame} Frame */
/** @typedef {import("./frame_list.js").Wanted} Wanted */

export class Facets {
  /**
   * @param {HTMLElement} form
   * @param {(change: Partial<Wanted>) => void} changed
   */
  constructor(form, changed) {
    this.form = form;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", (event) => {
      const order = sortIn(event.target);
      changed(order === null ? this.#given() : { sort: order.replace(/^-/, ""), descending: order.startsWith("-") });
    });
    part("#all-frames", form).addEventListener("click", () => changed({ facets: {}, words: "" }));
    closeOthers(form);
  }

  /** @returns {Partial<Wanted>} */
  #given() {
    const data = new FormData(/** @type {HTMLFormElement} */ (this.form));
    const facets = FACET_NAMES.map((name) => [name, new Set(data.getAll(name).map(String))]);
    return { kind: /** @type {Wanted["kind"]} */ (data.get("kind") ?? "input"), facets: Object.fromEntries(facets) };
  }

  /**
   * @param {Frame[]} frames all
   * @param {Wanted} wanted
   */
  draw(frames, wanted) {
    for (const [kind, count] of Object.entries(kindsOf(frames, wanted))) setText(slot(kind, this.form), number(count));
    for (const radio of /** @type {HTMLInputElement[]} */ (parts('[name="kind"]', this.form))) {
      radio.checked = radio.value === wanted.kind;
    }
    for (const name of FACET_NAMES) this.#drawFacet(name, optionsOf(frames, wanted, name));
    /** @type {HTMLSelectElement} */ (part("select", this.form)).value = (wanted.descending ? "-" : "") + wanted.sort;
    const any = FACET_NAMES.some((name) => wanted.facets[name]?.size) || wanted.words;
    part("#all-frames", this.form).hidden = !any;
  }

  /**
   * @param {string} name
   * @param {{value: string, count: number, wanted: boolean}[]} options
   */
  #drawFacet(name, options) {
    const place = part(`[data-facet="${name}"]`, this.form);
    const label = (/** @type {string} */ value) => labelOf(name, value) || place.dataset.none || "none";
    const wanted = options.filter((option) => option.wanted).map(({ value }) => label(value));
    place.hidden = options.length < 2 && !wanted.length;
    setText(slot("wanted", place), wanted.length ? `: ${wanted.join(", ")}` : "");
    const box = part(".options", place);
    const known = new Map(parts("label", box).map((each) => [part("input", each).getAttribute("value"), each]));
    const labels = options.map((option) => {
      const made = known.get(option.value) ?? checkOf(name, option.value, label(option.value));
      /** @type {HTMLInputElement} */ (part("input", made)).checked = option.wanted;
      setText(part(".figure", made), number(option.count));
      return made;
    });
    if (labels.some((each, index) => box.children[index] !== each) || box.children.length !== labels.length) {
      const focused = document.activeElement;
      box.replaceChildren(...labels);
      if (focused instanceof HTMLElement && box.contains(focused)) focused.focus({ preventScroll: true });
    }
  }
}

/**
 * @param {string} name
 * @param {string} value
 * @param {string} text
 */
function checkOf(name, value, text) {
  const label = document.createElement("label");
  label.className = "check";
  const box = document.createElement("input");
  Object.assign(box, { type: "checkbox", name, value, autocomplete: "off" });
  const words = document.createElement("span");
  words.textContent = text;
  const figure = document.createElement("span");
  figure.className = "figure faint";
  label.append(box, " ", words, " ", figure);
  return label;
}

/**
 * @param {string} name
 * @param {string} value
 */
function labelOf(name, value) {
  return name === "exposure" && value && !Number.isNaN(Number(value)) ? `${Number(value)} s` : value;
}

/** @param {EventTarget | null} target */
function sortIn(target) {
  return target instanceof HTMLSelectElement ? target.value : null;
}

/** @param {HTMLElement} form keeps at most one of its lists open, and none once one looks elsewhere */
function closeOthers(form) {
  const all = /** @type {HTMLDetailsElement[]} */ (parts("details", form));
  const closeBut = (/** @type {EventTarget | null} */ target) => {
    for (const each of all) if (each.open && !(target instanceof Node && each.contains(target))) each.open = false;
  };
  document.addEventListener("click", (event) => closeBut(event.target));
  document.addEventListener("focusin", (event) => closeBut(event.target));
  form.addEventListener("keydown", (event) => {
    const open = all.find((each) => each.open);
    if (event.key !== "Escape" || !open) return;
    open.open = false;
    part("summary", open).focus();
  });
}
