// @ts-check
/** What is said of the chosen points, and what can be done with them. */

import { part, parts, slot } from "../find.js";
import { setText } from "../times.js";
import { counted, number } from "../wording.js";
import { dateOf } from "./light_curve.js";

/** @typedef {import("./chosen.js").Numbered} Numbered */

export class Bar {
  /**
   * @param {HTMLElement} place
   * @param {import("./chosen.js").Chosen} chosen
   * @param {(leftOut: boolean) => void} leaveOut
   */
  constructor(place, chosen, leaveOut) {
    this.place = place;
    this.chosen = chosen;
    const acts = {
      before: () => chosen.step(-1),
      after: () => chosen.step(1),
      none: () => chosen.set([]),
      "leave-out": () => leaveOut(true),
      "take-in": () => leaveOut(false),
    };
    place.addEventListener("click", (event) => {
      const act = /** @type {Element} */ (event.target).closest("button")?.dataset.act;
      if (act) acts[act]?.();
    });
    part(".steps", place).addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!steps || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      chosen.step(steps);
    });
  }

  draw() {
    const points = this.chosen.points;
    const out = points.filter((point) => point.out).length;
    for (const button of /** @type {HTMLButtonElement[]} */ (parts(".steps button", this.place))) {
      button.disabled = !this.chosen.all.length;
    }
    this.#offer("none", points.length > 0);
    this.#offer("leave-out", points.length > out);
    this.#offer("take-in", out > 0);
    setText(slot("chosen", this.place), wordsOn(points, out));
    if (points.length !== 1) slot("origin", this.place).replaceChildren();
  }

  /**
   * Show where a point comes from.
   *
   * @param {any} origin as the server tells it
   */
  showOrigin(origin) {
    slot("origin", this.place).replaceChildren(...sentenceOn(origin));
  }

  /**
   * @param {string} act
   * @param {boolean} offered
   */
  #offer(act, offered) {
    const button = /** @type {HTMLButtonElement | null} */ (this.place.querySelector(`[data-act="${act}"]`));
    if (!button) return; // whoever may only look has none
    if (!offered && document.activeElement === button) part(".steps button", this.place).focus();
    button.hidden = !offered;
  }
}

/**
 * @param {Numbered[]} points
 * @param {number} out how many of them are left out
 */
function wordsOn(points, out) {
  if (!points.length) return "Choose a point in the plot to see where it comes from.";
  const [{ time, value, error, filter, limit, flux }] = points;
  if (points.length > 1) return `${counted(points.length, "point")} chosen${out ? `, ${number(out)} of them left out` : ""}`;
  const sign = limit ? (flux ? "< " : "> ") : "";
  const spread = error === null ? "" : ` ± ${error}`;
  return `${sign}${value}${spread}${filter ? ` in ${filter}` : ""} at MJD ${time} (${dateOf(time)} UTC)${out ? ", left out" : ""}`;
}

/**
 * @param {{process: any, table: any, frame: any, by: string | null, reason: string | null}} origin
 * @returns {(string | HTMLElement)[]}
 */
function sentenceOn({ process, table, frame, by, reason }) {
  const run = process ? link(process.url, process.identifier) : null;
  if (frame) {
    const how = by === "name" ? "Measured on " : "By its time, measured on ";
    return [how, link(frame.url, frame.name), ...(run ? [" by ", run] : []), "."];
  }
  const why = reason ?? "";
  if (run) return ["Measured by ", run, `. The frame is not known: ${lowered(why)}`];
  if (table) return ["Imported from ", link(table.url, table.name), ". The table names no frame of this server."];
  return [`The frame is not known: ${lowered(why)}`];
}

/** @param {string} sentence */
function lowered(sentence) {
  return sentence.charAt(0).toLowerCase() + sentence.slice(1);
}

/**
 * @param {string} url
 * @param {string} name
 */
function link(url, name) {
  const made = document.createElement("a");
  made.href = url;
  made.textContent = name;
  return made;
}
