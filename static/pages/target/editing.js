// @ts-check
/** Changes a target by its form, or deletes it. Loaded when somebody does. */

import { part } from "../../draw/find.js";
import { clearProblems, showProblems } from "../../draw/form_problems.js";
import { targetOf } from "../../draw/target/target_form.js";
import { addressOf } from "../../server/address.js";
import { request } from "../../server/api.js";
import { deleteTarget } from "../deletion.js";

/**
 * @param {HTMLFormElement} form
 * @param {number} target
 */
export async function saveTarget(form, target) {
  clearProblems(form);
  try {
    await request("PATCH", `/api/targets/${target}/`, targetOf(form));
    location.reload();
  } catch (error) {
    showProblems(form, error);
  }
}

/**
 * @param {HTMLFormElement} form
 * @param {number} target
 */
export async function deleteThisTarget(form, target) {
  try {
    if (await deleteTarget(target, part("h1").textContent ?? "")) location.assign(addressOf("/"));
  } catch (error) {
    showProblems(form, error);
  }
}
