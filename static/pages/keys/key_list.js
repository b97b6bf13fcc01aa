// @ts-check
/** A dialog that lists the keys of a page, and lets readers switch them off. */

import { keep, kept } from "../../draw/browser/kept.js";
import { answerOf } from "../../draw/question.js";

export class KeyList {
  /**
   * @param {HTMLElement[]} keyed the elements that have a key
   * @param {string} offKey under which it is remembered that keys are off
   */
  constructor(keyed, offKey) {
    const names = new Map(keyed.map(({ dataset }) => [dataset.key ?? "", dataset.does ?? ""]));
    this.offKey = offKey;
    this.dialog = made("dialog", { id: "keys" });
    this.dialog.setAttribute("aria-labelledby", "keys-title");
    const list = made("dl", {});
    list.append(...[...names].map(([key, does]) => item(key, does)), ...furtherItems());
    const form = made("form", { method: "dialog" });
    form.append(made("h2", { id: "keys-title", textContent: "Keys" }), list, this.#onOff(), close());
    this.dialog.append(form);
  }

  async show() {
    document.body.append(this.dialog);
    await answerOf(this.dialog);
    this.dialog.remove();
  }

  /** A switch, since a single key is easily pressed by accident (WCAG 2.1, 2.1.4). */
  #onOff() {
    const box = made("input", { type: "checkbox", checked: !kept(this.offKey) });
    box.addEventListener("change", () => keep(this.offKey, box.checked ? null : "true"));
    const label = made("label", { className: "check" });
    label.append(box, "Single keys work, outside of fields");
    return label;
  }
}

/** @returns {Node[]} what the page says about keys that no element stands for */
function furtherItems() {
  const template = document.querySelector("template#further-keys");
  if (!(template instanceof HTMLTemplateElement)) return [];
  return [...document.importNode(template.content, true).children];
}

/**
 * @param {string} key
 * @param {string} does
 */
function item(key, does) {
  const row = made("div", {});
  const term = made("dt", {});
  term.append(made("kbd", { textContent: key }));
  row.append(term, made("dd", { textContent: does }));
  return row;
}

function close() {
  const actions = made("div", { className: "actions" });
  actions.append(made("button", { textContent: "Close", autofocus: true }));
  return actions;
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
