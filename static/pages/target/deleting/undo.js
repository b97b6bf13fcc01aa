// @ts-check
/**
 * Deletes with some seconds to undo it. The server deletes for good, so the page holds the requests
 * back: it sends them when the time is over, when something else is deleted, or when it is left.
 */

import { part, slot } from "../../../draw/find.js";
import { ApiError, request } from "../../../server/api.js";
import { addressOf } from "../../../server/address.js";

const UNDO_MS = 8000;
/** A browser lets a page that is left send about so many requests. */
const MOST_AT_LEAVING = 100;

/**
 * @typedef {object} Deletion
 * @property {string} words what has been deleted, as a sentence
 * @property {"dataproducts" | "processes"} kind
 * @property {number[]} pks
 * @property {() => void} undone
 * @property {(problem: {pk: number, error: Error} | null) => void} done after the last one; with the
 *   first that was refused, after which none is sent
 */

/** @type {{deletion: Deletion, timer: number} | null} */
let held = null;
/** @type {{kind: Deletion["kind"], pks: number[]}[]} those that are being sent, one after the other */
const sending = [];
let listening = false;

/**
 * Delete in some seconds, unless it is undone.
 *
 * @param {Deletion} deletion
 */
export function deleteSoon(deletion) {
  listen();
  void sendNow();
  const box = part("#undo");
  slot("words", box).textContent = deletion.words;
  box.hidden = false;
  held = { deletion, timer: setTimeout(() => void sendNow(), UNDO_MS) };
}

function listen() {
  if (listening) return;
  listening = true;
  const box = part("#undo");
  part("#undo-delete").addEventListener("click", undo);
  // Who is about to press the button has all the time that it takes.
  const wait = () => {
    if (held) clearTimeout(held.timer);
  };
  const go = () => {
    if (!held || box.matches(":hover") || box.contains(document.activeElement)) return;
    clearTimeout(held.timer);
    held.timer = setTimeout(() => void sendNow(), UNDO_MS);
  };
  for (const type of ["pointerenter", "focusin"]) box.addEventListener(type, wait);
  for (const type of ["pointerleave", "focusout"]) box.addEventListener(type, () => setTimeout(go));
  addEventListener("pagehide", sendAtLeaving);
  addEventListener("beforeunload", (event) => {
    if (unsent().length > MOST_AT_LEAVING) event.preventDefault();
  });
}

function undo() {
  const undone = release();
  undone?.undone();
}

/** @returns {Deletion | null} what was held, which is not any more */
function release() {
  if (!held) return null;
  const { deletion, timer } = held;
  clearTimeout(timer);
  held = null;
  part("#undo").hidden = true;
  return deletion;
}

async function sendNow() {
  const deletion = release();
  if (!deletion) return;
  const batch = { kind: deletion.kind, pks: [...deletion.pks] };
  sending.push(batch);
  let problem = null;
  while (batch.pks.length && !problem) {
    const pk = batch.pks[0];
    try {
      await request("DELETE", `/api/${batch.kind}/${pk}/`);
    } catch (error) {
      const gone = error instanceof ApiError && error.status === 404;
      if (!gone) problem = { pk, error: /** @type {Error} */ (error) };
    }
    batch.pks.shift();
  }
  sending.splice(sending.indexOf(batch), 1);
  deletion.done(problem);
}

/** @returns {{kind: Deletion["kind"], pk: number}[]} */
function unsent() {
  return [...sending, ...(held ? [held.deletion] : [])].flatMap(({ kind, pks }) => pks.map((pk) => ({ kind, pk })));
}

/** A request with `keepalive` outlives the page. */
function sendAtLeaving() {
  for (const { kind, pk } of unsent().slice(0, 2 * MOST_AT_LEAVING)) {
    void fetch(addressOf(`/api/${kind}/${pk}/`), { method: "DELETE", keepalive: true }).catch(() => {});
  }
  release()?.done(null);
}
