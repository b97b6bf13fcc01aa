// @ts-check
/** The filters above the data products, with how many each of their values has. */

import { part, parts, slot } from "../find.js";
import { setText } from "../times.js";
import { number } from "../wording.js";
import { FACET_NAMES, kindsOf, nightsOf, optionsOf } from "./frame_list.js";

/** @typedef {import("./frame_list.js").Frame} Frame */
/** @typedef {import("./frame_list.js").Wanted} Wanted */

const MOST_NIGHTS = 60;

export class Facets {
  /**
   * @param {HTMLElement} form
   * @param {HTMLElement} nights
   * @param {object} acts
   * @param {(change: Partial<Wanted>) => void} acts.changed
   * @param {(night: string, filter: string | null) => void} acts.setChosen
   */
  constructor(form, nights, { changed, setChosen }) {
    this.form = form;
    this.nights = nights;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", (event) => {
      const order = sortIn(event.target);
      changed(order === null ? this.#given() : { sort: order.replace(/^-/, ""), descending: order.startsWith("-") });
    });
    part("#all-frames", form).addEventListener("click", () => changed({ facets: {}, words: "" }));
    nights.addEventListener("click", (event) => {
      const link = /** @type {Element} */ (event.target).closest("a.set");
      if (!(link instanceof HTMLElement) || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      setChosen(link.dataset.night ?? "", link.dataset.filter ?? null);
    });
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
    this.#drawNights(frames, wanted);
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

  /**
   * @param {Frame[]} frames
   * @param {Wanted} wanted
   */
  #drawNights(frames, wanted) {
    const nights = nightsOf(frames, MOST_NIGHTS);
    this.nights.hidden = !nights.length;
    const drawn = JSON.stringify(nights);
    if (this.drawn !== drawn) this.nights.replaceChildren(...nights.map(lineOf));
    this.drawn = drawn;
    for (const link of parts("a.set", this.nights)) {
      const { night, filter } = link.dataset;
      const here = isOnly(wanted.facets.night, night) && (filter === undefined ? !wanted.facets.filter?.size : isOnly(wanted.facets.filter, filter));
      if (here) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }
}

/**
 * @param {Set<string> | undefined} values
 * @param {string | undefined} value
 */
function isOnly(values, value) {
  return values?.size === 1 && values.has(value ?? "");
}

/** @param {{name: string, count: number, filters: [name: string, count: number][]}} night */
function lineOf({ name, count, filters }) {
  const line = document.createElement("p");
  const heading = document.createElement("b");
  heading.className = "figure";
  heading.textContent = name;
  line.append(heading);
  if (filters.length > 1) line.append(" ", setOf(name, null, count));
  for (const [filter, each] of filters) line.append(" ", setOf(name, filter, each));
  return line;
}

/**
 * @param {string} night
 * @param {string | null} filter null for all
 * @param {number} count
 */
function setOf(night, filter, count) {
  const link = document.createElement("a");
  const query = new URLSearchParams(filter === null ? { night } : { night, filter });
  Object.assign(link, { className: "set", href: `?${query}` });
  link.dataset.night = night;
  if (filter !== null) link.dataset.filter = filter;
  const which = filter === null ? "" : `${filter || "unfiltered"} `;
  link.setAttribute("aria-label", `All ${number(count)} ${which}frames of ${night}`);
  const figure = document.createElement("span");
  figure.className = "figure";
  figure.textContent = number(count);
  link.append(filter === null ? "all" : filter || "no filter", " ", figure);
  return link;
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
