// @ts-check
/** The dialog that makes links by which anybody sees this process, lists them and revokes them. */

import { copyText } from "../../draw/browser/clipboard.js";
import { part } from "../../draw/find.js";
import { messageOf, showProblem } from "../../draw/problems.js";
import { ask, answerOf } from "../../draw/question.js";
import { ago, counted, exact } from "../../draw/wording.js";
import { get, request } from "../../server/api.js";

/** @typedef {{created: number, expires: number, by: string | null}} Share */

/** The PK of the process, 0 before the dialog was first opened. */
let shown = 0;

/** @param {number} process */
export function openSharing(process) {
  const first = shown === 0;
  shown = process;
  if (first) listen();
  part("#share-made").hidden = true;
  part("#share-news").textContent = "";
  void attempt(drawKnown);
  void answerOf(/** @type {HTMLDialogElement} */ (part("#share-dialog")));
}

function listen() {
  part("#share-form").addEventListener("submit", (event) => {
    event.preventDefault();
    void attempt(makeLink);
  });
  part("#share-copy").addEventListener("click", () => void attempt(copyLink));
  part("#share-revoke").addEventListener("click", () => void attempt(revokeAll));
}

/** @param {() => Promise<void>} work shows what is wrong if it fails */
async function attempt(work) {
  showProblem(part("#share-problem"), "");
  try {
    await work();
  } catch (error) {
    showProblem(part("#share-problem"), messageOf(error));
  }
}

async function makeLink() {
  const form = /** @type {HTMLFormElement} */ (part("#share-form"));
  const days = Number(/** @type {HTMLSelectElement} */ (part("select", form)).value);
  const { url } = await request("POST", `/api/processes/${shown}/share/`, { days });
  const link = linkField();
  link.value = new URL(url, location.href).href;
  part("#share-made").hidden = false;
  link.select();
  part("#share-news").textContent = "The link is ready.";
  await drawKnown();
}

async function copyLink() {
  const link = linkField();
  await copyText(link.value);
  link.select();
  part("#share-news").textContent = "Copied.";
}

async function revokeAll() {
  if (!(await ask("Revoke all links to this process? Whoever uses them sees it no longer.", "Revoke"))) return;
  await request("DELETE", `/api/processes/${shown}/share/`);
  part("#share-made").hidden = true;
  linkField().value = "";
  part("#share-news").textContent = "All links are revoked.";
  await drawKnown();
}

async function drawKnown() {
  /** @type {Share[]} */
  const shares = (await get(`/api/processes/${shown}/share/`)).shares;
  part("#share-known").hidden = shares.length === 0;
  part("#share-known-title").textContent = `${counted(shares.length, "link")} ${shares.length === 1 ? "works" : "work"} now`;
  part("#share-list").replaceChildren(...shares.map(row));
}

/** @param {Share} share */
function row({ created, expires, by }) {
  const item = document.createElement("li");
  const origin = document.createElement("span");
  origin.className = "faint";
  origin.textContent = `made ${ago(created, Date.now() / 1000)}${by === null ? "" : ` by ${by}`}`;
  item.append(`until ${exact(expires)}, `, origin);
  return item;
}

function linkField() {
  return /** @type {HTMLInputElement} */ (part("#share-link"));
}
