// @ts-check
/** Shows what the server refused of a form, beside the fields that it is about. */

import { ApiError } from "../server/api.js";
import { parts } from "./find.js";
import { messageOf, showProblem } from "./problems.js";

/**
 * @param {HTMLElement} form
 * @param {unknown} error
 */
export function showProblems(form, error) {
  clearProblems(form);
  const body = error instanceof ApiError ? error.body : {};
  const places = parts(".problem[data-field]", form);
  const unplaced = new Map(Object.entries(body));
  for (const place of places) {
    const field = place.dataset.field ?? "";
    const messages = unplaced.get(field);
    if (messages === undefined) continue;
    showProblem(place, [messages].flat().join(" "));
    markInvalid(form, field, true);
    unplaced.delete(field);
  }
  const rest = places.find((place) => place.dataset.field === "detail");
  const isPlaced = unplaced.size < Object.keys(body).length;
  if (rest && !isPlaced) showProblem(rest, messageOf(error));
  else if (rest && unplaced.size) showProblem(rest, [...unplaced.values()].flat().join(" "));
  /** @type {HTMLElement | null} */ (form.querySelector('[aria-invalid="true"]'))?.focus();
}

/** @param {HTMLElement} form */
export function clearProblems(form) {
  for (const place of parts(".problem", form)) {
    showProblem(place, "");
    markInvalid(form, place.dataset.field ?? "", false);
  }
}

/**
 * @param {HTMLElement} form
 * @param {string} field
 * @param {boolean} invalid
 */
function markInvalid(form, field, invalid) {
  const input = form.querySelector(`[name="${CSS.escape(field)}"]`);
  if (invalid) input?.setAttribute("aria-invalid", "true");
  else input?.removeAttribute("aria-invalid");
}
