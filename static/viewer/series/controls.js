// @ts-check
/** The frames before and after, and those that blink. */

import { part, slot } from "../../draw/find.js";
import { messageOf } from "../../draw/problems.js";
import { addressOf } from "../../server/address.js";
import { framesWith, neighbours } from "./frames.js";
import { writtenState } from "../state.js";

/** Frames that can be chosen in the list: those around the one that is shown. */
const LISTED = 100;

export class SeriesControls {
  /** @type {import("./frames.js").Frame[]} */
  #frames = [];
  #asked = false;

  /**
   * @param {HTMLElement} root
   * @param {import("../viewer.js").Viewer} viewer
   * @param {() => void} changed
   */
  constructor(root, viewer, changed) {
    this.root = root;
    this.viewer = viewer;
    this.changed = changed;
    viewer.label = (pk) => this.#frames.find((frame) => frame.pk === pk)?.name ?? viewer.frame.name;
    part('[data-act="blink"]', root).addEventListener("click", () => void this.#blink());
  }

  /** Find the other frames, once. */
  show() {
    if (this.#asked) return;
    this.#asked = true;
    void this.#find();
  }

  async #find() {
    const { process, series } = this.root.dataset;
    const shown = { pk: this.viewer.frame.pk, target: series ? Number(series) : null, process: process ? Number(process) : null };
    try {
      this.#frames = await framesWith(shown);
    } catch (error) {
      slot("blinking", this.root).textContent = messageOf(error);
      return;
    }
    const { before, after } = neighbours(this.#frames, shown.pk);
    for (const [name, frame] of Object.entries({ before, after })) {
      const link = this.#link(name);
      link.classList.toggle("none", !frame);
      if (!frame) continue;
      link.href = addressOf(`/dataproducts/${frame.pk}/`);
      link.title = `${frame.name} (${name === "before" ? "[" : "]"})`;
    }
    this.aim();
    this.#list();
  }

  /** Let the links lead to the same view. */
  aim() {
    const { state, view } = this.viewer;
    const here = writtenState({ ...state, x: view.x + 1, y: view.y + 1, zoom: view.zoom });
    for (const name of ["before", "after"]) {
      const link = this.#link(name);
      if (link.hasAttribute("href")) link.href = link.href.replace(/#.*$/, "") + here;
    }
  }

  #list() {
    const list = slot("frames", this.root);
    const at = this.#frames.findIndex(({ pk }) => pk === this.viewer.frame.pk);
    const first = Math.max(0, Math.min(at - LISTED / 2, this.#frames.length - LISTED));
    list.replaceChildren(...this.#frames.slice(first, first + LISTED).map((frame) => this.#choice(frame)));
    part(".series", this.root).hidden = this.#frames.length < 2;
    part('[data-act="blink"]', this.root).hidden = this.#frames.length < 2;
  }

  /** @param {import("./frames.js").Frame} frame */
  #choice(frame) {
    const item = document.createElement("li");
    const label = document.createElement("label");
    label.className = "check";
    const box = document.createElement("input");
    box.type = "checkbox";
    const here = frame.pk === this.viewer.frame.pk;
    box.checked = here || this.viewer.state.blink.includes(frame.pk);
    box.disabled = here;
    box.addEventListener("change", () => this.#chosen(frame.pk, box.checked));
    const date = frame.date === null ? "" : new Date(frame.date * 1000).toISOString().slice(0, 19).replace("T", " ");
    const about = document.createElement("small");
    about.textContent = [date, frame.filter].filter(Boolean).join(" · ");
    label.append(box, ` ${frame.name} `, about);
    item.append(label);
    return item;
  }

  /**
   * @param {number} pk
   * @param {boolean} chosen
   */
  #chosen(pk, chosen) {
    const others = this.viewer.state.blink.filter((each) => each !== pk);
    this.viewer.state.blink = chosen ? [...others, pk] : others;
    this.viewer.write();
    if (this.viewer.blink.on) void this.#start();
  }

  async #blink() {
    if (this.viewer.blink.on) {
      this.viewer.blink.stop();
      slot("blinking", this.root).textContent = "";
      void this.viewer.open().catch(this.viewer.told.failed);
      this.changed();
    } else await this.#start();
  }

  /** Blink what is chosen; if nothing is, the frame after this one, or the one before. */
  async #start() {
    const { before, after } = neighbours(this.#frames, this.viewer.frame.pk);
    const chosen = this.viewer.state.blink.length ? this.viewer.state.blink : [after ?? before].flatMap((frame) => frame?.pk ?? []);
    if (!chosen.length) return;
    slot("blinking", this.root).textContent = `Blinking ${chosen.length + 1} frames`;
    try {
      await this.viewer.blink.start(this.viewer.picture, chosen);
    } catch (error) {
      this.viewer.blink.stop();
      slot("blinking", this.root).textContent = messageOf(error);
    }
    this.changed();
  }

  /** @param {string} name */
  #link(name) {
    return /** @type {HTMLAnchorElement} */ (part(`a[data-act="${name}"]`, this.root));
  }
}
