// @ts-check
/** Shows what the server refused, beside the fields that it is about. */

import { ApiError } from "../server/api.js";
import { parts } from "./find.js";

/**
 * @param {HTMLElement} form
 * @param {unknown} error
 */
export function showProblems(form, error) {
  clearProblems(form);
  const body = error instanceof ApiError ? error.body : {};
  const places = parts(".problem[data-field]", form);
  let placed = false;
  for (const place of places) {
    const messages = body[place.dataset.field ?? ""];
    if (messages === undefined) continue;
    showProblem(place, [messages].flat().join(" "));
    markInvalid(form, place.dataset.field ?? "", true);
    placed = true;
  }
  const rest = places.find((place) => place.dataset.field === "detail");
  if (!placed && rest) showProblem(rest, messageOf(error));
}

/** @param {HTMLElement} form */
export function clearProblems(form) {
  for (const place of parts(".problem", form)) {
    showProblem(place, "");
    markInvalid(form, place.dataset.field ?? "", false);
  }
}

/**
 * @param {HTMLElement} place
 * @param {string} message
 */
export function showProblem(place, message) {
  place.textContent = message;
  place.hidden = !message;
}

/** @param {unknown} error */
export function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
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
