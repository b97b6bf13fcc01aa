// @ts-check
/** The data products on the page of a target: which are shown, choosing, grouping, deleting them. */

import { kept } from "../../draw/browser/kept.js";
import { part, parts } from "../../draw/find.js";
import { attempt, unlessLater } from "../../draw/problems.js";
import { ArrowKeys } from "../../draw/target/arrow_keys.js";
import { Facets } from "../../draw/target/facets.js";
import { inOrderOfObservation, queryOf, shownOf, wantedBy } from "../../draw/target/frame_list.js";
import { drawFrame, dropPicture, frameOf, frameRow, hasPicture, updated } from "../../draw/target/frame_row.js";
import { RowChunks } from "../../draw/target/row_chunks.js";
import { may } from "../../draw/role.js";
import { setText } from "../../draw/times.js";
import { number } from "../../draw/wording.js";
import { loader, LoadError } from "../../server/api.js";
import { Answers } from "../../server/changes.js";

/** @typedef {import("../../draw/target/frame_list.js").Frame} Frame */
/** @typedef {import("../../draw/target/frame_list.js").Wanted} Wanted */
/** Whether readers want pictures instead of rows. */
const GALLERY = "heliograph.gallery";

const grouping = loader(() => import("./groups.js"));
export const deleting = loader(() => import("./deleting/deleting.js"));

/**
 * @param {number} target
 * @param {import("../../draw/product/selection.js").Selection} selection
 * @param {(frames: Frame[]) => Promise<void>} came called with all data products, newest first
 */
export function watchProducts(target, selection, came) {
  const list = new ProductList(target, selection, came);
  const problem = part("#product-problem");
  document.querySelector("#group-chosen")?.addEventListener("click", () => {
    const { chosenInOrder } = list;
    void attempt(problem, async () => (await grouping()).groupProducts(chosenInOrder));
  });
  document.querySelector("#delete-chosen")?.addEventListener("click", () => {
    const [chosen, hidden] = [[...selection.chosen.values()], selection.hidden.length];
    void attempt(problem, async () => (await deleting()).deleteProducts(chosen, hidden, list));
  });
  document.querySelector("#only-shown")?.addEventListener("click", () => selection.chooseOnlyShown());
  return list;
}

class ProductList {
  /** @type {Frame[]} newest first */
  #frames = [];
  /** @type {Set<number>} the PKs of those whose deletion can be undone */
  #deleted = new Set();
  #known = false;
  #more = false;
  /** Whether what depends on the frames has not been drawn yet, and whether for want of a module. */
  #behind = false;
  #unloaded = false;
  /** @type {Promise<void> | undefined} */
  #nightsDrawn;

  /**
   * @param {number} target
   * @param {import("../../draw/product/selection.js").Selection} selection
   * @param {(frames: Frame[]) => Promise<void>} came
   */
  constructor(target, selection, came) {
    this.target = target;
    this.selection = selection;
    this.came = came;
    this.wanted = wantedBy(location.search);
    this.table = /** @type {HTMLTableElement} */ (part("#product-list table"));
    this.answers = new Answers();
    this.rows = new RowChunks(this.table, frameRow, drawFrame, (rows) => selection.drawRows(rows));
    this.shown = /** @type {Frame[]} */ ([]);
    new ArrowKeys(this.table, { count: () => this.shown.length, at: (index) => this.rows.rowAt(index) });
    this.facets = new Facets(part("#facets"), (change) => this.want(change));
    this.nights = loader(
      () => import("../../draw/target/nights.js"), // a page with nights has it already
      ({ Nights }) => new Nights(part("#nights"), (night, filter) => this.#chooseSet(night, filter)),
    );
    const arranged = (/** @type {number} */ columns) => void (this.#known && this.rows.setColumns(columns));
    this.gallery = loader(() => import("./gallery.js"), ({ Gallery }) => new Gallery(this.table, GALLERY, arranged));
    this.#takeRows();
    this.#listen();
    this.#showGalleryIfKept();
    if (!part("#nights").hidden) void this.nights().catch(unlessLater);
    this.pictures = loader(
      () => import("../../draw/product/broken_pictures.js"),
      ({ watchBrokenPictures }) => watchBrokenPictures(this.table, dropPicture),
    );
  }

  /** Go there at once, so that little moves; the rest can wait for its module. */
  #showGalleryIfKept() {
    if (kept(GALLERY) !== "true") return;
    part("#products").classList.add("gallery");
    part("#gallery").setAttribute("aria-pressed", "true");
    void this.gallery().catch(unlessLater);
  }

  /** Have what the page came with ready to be chosen before all is fetched. */
  #takeRows() {
    const rows = parts("tr[data-pk]", this.table);
    this.shown = rows.map(frameOf);
    for (const row of rows) row.removeAttribute("data-frame");
    this.selection.take(this.shown, new Map(this.shown.map((frame) => [frame.pk, frame])));
  }

  #listen() {
    part("#gallery").addEventListener("click", () => {
      void attempt(part("#product-problem"), async () => (await this.gallery()).toggle());
    });
    part("#filter").addEventListener("input", (event) => {
      this.want({ words: /** @type {HTMLInputElement} */ (event.target).value.trim().toLowerCase() }, true);
    });
    part("thead", this.table).addEventListener("click", (event) => {
      const link = /** @type {Element} */ (event.target).closest("a.sort");
      if (!(link instanceof HTMLElement) || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      const sort = link.dataset.sort ?? "date";
      this.want({ sort, descending: this.wanted.sort === sort && !this.wanted.descending });
    });
    addEventListener("popstate", () => {
      this.wanted = wantedBy(location.search);
      this.selection.settle();
      this.draw();
    });
  }

  /** Show the data products as they are now, if they have changed. */
  async refresh() {
    if (this.#unloaded) await this.#catchUp(); // as long as that fails, nothing is fetched again
    await this.answers.drawChanged(`/api/targets/${this.target}/frames/`, (answer) => this.#take(answer));
    if (part("#products").classList.contains("gallery")) void this.gallery().catch(unlessLater);
    if (this.#behind) await this.#catchUp();
  }

  /** Draw what depends on the frames. What cannot be loaded any more is left until they change. */
  async #catchUp() {
    try {
      const pictures = this.#frames.some(hasPicture) && this.pictures();
      await Promise.all([(this.#nightsDrawn ??= this.#drawNights()), this.came(this.#there), pictures]);
      this.#behind = this.#unloaded = false;
    } catch (error) {
      this.#unloaded = error instanceof LoadError && !error.last;
      this.#behind = this.#unloaded || !(error instanceof LoadError);
      this.#nightsDrawn = undefined;
      throw error;
    }
  }

  /** @param {{frames: Frame[], more: boolean}} answer */
  #take({ frames, more }) {
    this.#frames = updated(this.#frames, frames);
    this.#more = more;
    const first = !this.#known;
    this.#known = this.#behind = true;
    this.draw();
    if (first && this.selection.all) this.selection.chooseOnly(this.shown);
  }

  get #there() {
    return this.#deleted.size ? this.#frames.filter(({ pk }) => !this.#deleted.has(pk)) : this.#frames;
  }

  /** The PKs of the chosen, in the order in which they were taken. */
  get chosenInOrder() {
    return inOrderOfObservation([...this.selection.chosen.values()]).map(({ pk }) => pk);
  }

  /**
   * Show something else, and say so in the address.
   *
   * @param {Partial<Wanted>} change
   * @param {boolean} [typing] whether each letter is a change
   */
  want(change, typing = false) {
    const kind = change.kind ?? this.wanted.kind;
    // Each kind has its usual order, until another one is chosen.
    const order = kind === this.wanted.kind ? {} : { sort: kind === "output" ? "created" : "date", descending: kind === "output" };
    this.wanted = { ...this.wanted, ...order, ...change };
    this.selection.settle();
    const address = location.pathname + queryOf(this.wanted) + location.hash;
    if (typing) history.replaceState(null, "", address);
    else history.pushState(null, "", address);
    this.draw();
  }

  /** Show what is wanted of what is known. */
  draw() {
    if (!this.#known) return;
    const there = this.#there;
    this.shown = shownOf(there, this.wanted);
    this.rows.show(this.shown);
    this.#drawHeadings();
    this.facets.draw(there, this.wanted);
    (this.#nightsDrawn = this.#drawNights()).catch(unlessLater);
    const filter = /** @type {HTMLInputElement} */ (part("#filter"));
    if (filter !== document.activeElement) filter.value = this.wanted.words;
    document.querySelector("#more-products")?.parentElement?.remove();
    this.table.hidden = !this.shown.length;
    part("#none-shown").hidden = this.shown.length > 0 || !there.length;
    part("#no-products").hidden = there.length > 0;
    const newest = this.#more ? ", the newest," : "";
    setText(part("#shown"), `${number(this.shown.length)} of ${number(there.length)}${newest} shown`);
    this.selection.take(this.shown, new Map(there.map((frame) => [frame.pk, frame])));
  }

  async #drawNights() {
    const some = this.#there.some(({ kind, night }) => kind === "input" && night);
    if (some || !part("#nights").hidden) (await this.nights()).draw(this.#there, this.wanted);
  }

  #drawHeadings() {
    const { sort, descending } = this.wanted;
    for (const heading of parts("th[data-column]", this.table)) {
      const name = heading.dataset.column ?? "";
      if (name === sort) heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else heading.removeAttribute("aria-sort");
      const next = { ...this.wanted, sort: name, descending: name === sort && !descending };
      part("a", heading).setAttribute("href", queryOf(next) || location.pathname);
    }
  }

  /**
   * Show the inputs of a night through a filter, all of them chosen; show all again, if they are.
   *
   * @param {string} night
   * @param {string | null} filter null for all of them
   */
  #chooseSet(night, filter) {
    const facets = { night: new Set([night]), ...(filter === null ? {} : { filter: new Set([filter]) }) };
    const set = { ...this.wanted, kind: /** @type {const} */ ("input"), facets, words: "" };
    if (queryOf(set) === queryOf(this.wanted)) {
      this.want({ facets: {} });
      return this.selection.chooseOnly([]);
    }
    this.want(set);
    if (!may("operator")) return;
    if (this.#known) this.selection.chooseOnly(this.shown);
    else this.selection.expectAll();
  }

  /**
   * @param {Frame[]} frames
   * @param {boolean} deleted whether they are to be shown no more, as their deletion can be undone
   */
  setDeleted(frames, deleted) {
    for (const { pk } of frames) this.#deleted[deleted ? "add" : "delete"](pk);
    this.draw();
  }
}
