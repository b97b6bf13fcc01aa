// @ts-check
/** The dialog that puts the chosen data products into a group, new or existing. */

import { part } from "../../draw/find.js";
import { messageOf, showProblem } from "../../draw/problems.js";
import { answerOf } from "../../draw/question.js";
import { get, request } from "../../server/api.js";

const OFFERED = 100;

/** @param {number[]} products in the order of the group */
export async function groupProducts(products) {
  const dialog = /** @type {HTMLDialogElement} */ (part("#group-dialog"));
  const choice = /** @type {HTMLSelectElement} */ (part("select", dialog));
  const name = /** @type {HTMLInputElement} */ (part("input", dialog));
  const drawChoice = () => {
    part('[data-slot="name"]', dialog).hidden = name.disabled = choice.value !== "";
  };
  showProblem(part(".problem", dialog), "");
  choice.value = "";
  choice.onchange = drawChoice;
  drawChoice();
  void offerGroups(choice);
  while ((await answerOf(dialog)) === "yes") {
    try {
      const group = choice.value
        ? await request("POST", `/api/groups/${choice.value}/products/`, { products })
        : await request("POST", "/api/groups/", { name: name.value, products });
      location.assign(group.url);
      return;
    } catch (error) {
      showProblem(part(".problem", dialog), messageOf(error));
    }
  }
}

/** @param {HTMLSelectElement} choice */
async function offerGroups(choice) {
  try {
    const { groups } = await get(`/api/groups/?limit=${OFFERED}`);
    const own = groups.filter((/** @type {any} */ group) => group.process === null);
    const options = own.map((/** @type {any} */ group) => new Option(group.name, String(group.pk)));
    const chosen = choice.value;
    choice.replaceChildren(choice.options[0], ...options);
    choice.value = chosen;
  } catch {
    // A new group can be made all the same.
  }
}
