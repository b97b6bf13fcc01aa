// @ts-check
/**
 * The keys of a page. An element with `data-key` is what that key goes to, or presses; `data-does`
 * says what for. `?` lists them. Loaded by every page, so the list itself is left to `key_list`.
 */

import { kept } from "../../draw/browser/kept.js";
import { orSayMissing } from "../../draw/connection.js";
import { parts } from "../../draw/find.js";
import { loader } from "../../server/api.js";

/** Whether readers want single keys to do something: some dictate, or press keys by accident. */
const KEYS_OFF = "heliograph.keys-off";

const list = loader(() => import("./key_list.js"));

addEventListener("keydown", pressed);
document.querySelector("#show-keys")?.addEventListener("click", showKeys);
if (location.hash === "#search") document.getElementById("search")?.focus();

/** @param {KeyboardEvent} event */
function pressed(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.isComposing || isBusy(event.target) || kept(KEYS_OFF)) return;
  const wanted = keyed().filter((element) => element.dataset.key === event.key).at(-1);
  if (!wanted) return;
  event.preventDefault();
  press(wanted);
}

/**
 * Return whether keys have a meaning of their own now: in a field, or in a dialog.
 *
 * @param {EventTarget | null} target
 */
function isBusy(target) {
  if (document.querySelector("dialog[open]")) return true;
  return target instanceof Element && target.closest("input, textarea, select, [contenteditable]");
}

/** @returns {HTMLElement[]} what has a key and can be seen; of several with one, the last counts */
function keyed() {
  return parts("[data-key]").filter((element) => element.getClientRects().length > 0);
}

/** @param {HTMLElement} element */
function press(element) {
  if (element instanceof HTMLInputElement) {
    element.focus();
    element.select();
  } else if (element instanceof HTMLAnchorElement) {
    location.assign(`${element.href}${element.dataset.keyTo ?? ""}`);
  } else element.click();
}

function showKeys() {
  void orSayMissing(list, async () => {
    if (!document.querySelector("dialog[open]")) await new (await list()).KeyList(keyed(), KEYS_OFF).show();
  });
}
