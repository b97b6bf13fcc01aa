// @ts-check
/** The sky of the target: fetched once the page is there, drawn in a part that is folded at first. */

import { part, slot } from "../../draw/find.js";
import { tableOf } from "../../draw/product/table.js";
import { SkyChart } from "../../draw/target/sky_chart.js";
import { clockOf, endOf, eventsOf, headline, hoursOf, notesOn, utc } from "../../draw/target/sky_words.js";
import { now, setText } from "../../draw/times.js";
import { ApiError, get } from "../../server/api.js";
import { Answers, subscribe } from "../../server/changes.js";

/** @typedef {import("../../draw/target/sky_words.js").Night} Night */

/** How often the line of the present time moves. */
const NOW_MS = 20_000;
/** Where no websocket tells of changes, the target is not asked for more often. */
const APART_MS = 2000;

/**
 * Show the sky of a target, and keep it right.
 *
 * @param {number} target
 */
export function watchSky(target) {
  const section = part("#sky");
  const chart = new SkyChart(slot("chart", section));
  /** @type {Night | null} */
  let shown = null;
  /** The night that is asked for, empty for tonight. */
  let wanted = "";
  let asked = 0;
  const answers = new Answers();

  const fetchNight = async () => {
    const number = ++asked;
    // The first one may take some seconds, and many wait for each other.
    const night = await get(`/api/targets/${target}/sky/${wanted ? `?night=${wanted}` : ""}`);
    if (number !== asked) return; // another night has been asked for meanwhile
    shown = night;
    draw(section, chart, night, wanted);
  };
  const follow = () => answers.drawChanged(`/api/targets/${target}/`, async ({ ra, dec }) => {
    section.hidden = ra === null || dec === null;
    if (section.hidden) return;
    await fetchNight().catch((error) => {
      tell(section, error);
      throw error; // it is tried again
    });
  });
  const show = (/** @type {string} */ night) => {
    wanted = night;
    fetchNight().catch((error) => tell(section, error));
  };

  subscribe(target, follow, { kinds: ["target"], apartMs: APART_MS });
  section.addEventListener("click", (event) => {
    const button = /** @type {Element} */ (event.target).closest("button[data-nights]");
    if (!(button instanceof HTMLElement) || !shown) return;
    const days = Number(button.dataset.nights);
    show(days ? dayAfter(shown.night, days) : "");
  });
  setInterval(() => {
    if (!shown) return;
    if (!wanted && now() >= endOf(shown)) show("");
    else chart.moveNow(now());
  }, NOW_MS);
}

/**
 * @param {HTMLElement} section
 * @param {unknown} error
 */
function tell(section, error) {
  if (!(error instanceof ApiError)) throw error;
  setText(slot("headline", section), error.message);
}

/**
 * @param {HTMLElement} section
 * @param {SkyChart} chart
 * @param {Night} night
 * @param {string} wanted
 */
function draw(section, chart, night, wanted) {
  const name = part("h1").textContent ?? "";
  const clock = clockOf(night.site);
  const place = night.site.name ? ` over ${night.site.name}` : "";
  setText(part("#sky-title"), wanted ? "The sky" : "The sky tonight");
  setText(slot("headline", section), headline(night));
  setText(slot("night", section), `The night of ${night.night}${place}`);
  part('[data-nights="0"]', section).hidden = !wanted;
  chart.show(night, now());
  setText(slot("target", section), name);
  setText(slot("notes", section), notesOn(night, name));
  const events = eventsOf(night, name).map(([time, words]) => [utc(time), clock(time), words]);
  slot("events", section).replaceChildren(tableOf(["UTC", "local", "event"], events));
  const columns = ["UTC", "local", "altitude °", "airmass", "Sun °", "Moon °", "Moon away °"];
  slot("hours", section).replaceChildren(tableOf(columns, hoursOf(night, clock)));
}

/**
 * @param {string} date
 * @param {number} days
 */
function dayAfter(date, days) {
  return new Date(Date.parse(`${date}T00:00Z`) + days * 86_400_000).toISOString().slice(0, 10);
}
