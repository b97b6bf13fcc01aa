// @ts-check
/** Notifies readers who are in another tab that a process has ended, if they asked for it. */

import { addressOf } from "../../server/address.js";

/**
 * Show the button that asks for permission, where the browser has not been asked yet.
 *
 * @param {HTMLElement} button
 */
export function offerNotifications(button) {
  if (!("Notification" in window) || !isSecureContext) return;
  button.hidden = Notification.permission !== "default";
  button.addEventListener("click", async () => {
    button.hidden = (await Notification.requestPermission()) !== "default";
  });
}

/**
 * @param {string} title
 * @param {string} body
 */
export function notify(title, body) {
  if (!document.hidden || !("Notification" in window) || Notification.permission !== "granted") return;
  try {
    new Notification(title, { body, icon: addressOf("/static/favicon.svg"), tag: title });
  } catch {
    // Some phones let only service workers notify.
  }
}
