// @ts-check
/** Tells who looks elsewhere that something has ended, if they asked for it. */

/**
 * Show the button that asks the browser for leave, where there is something to ask.
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
    new Notification(title, { body, icon: "/static/favicon.svg", tag: title });
  } catch {
    // Some phones let only service workers notify.
  }
}
