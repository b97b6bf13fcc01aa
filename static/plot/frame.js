// @ts-check
/**
 * Draws the series that the page around this frame sends. It has no origin and fetches nothing. It
 * is no module, because a page without an origin cannot load one.
 */
"use strict";

(() => {
  // After Okabe and Ito, whose colours differ for the colour-blind too: dark enough for white, or
  // light enough for black. The shapes differ as well.
  const DAY = { ink: "#1a2333", line: "#d8dde6", ground: "#ffffff", series: ["#0072b2", "#d55e00", "#007a5a", "#aa3377", "#8a6d00", "#4c5666"] };
  const NIGHT = { ink: "#dae2ee", line: "#243048", ground: "#111827", series: ["#56b4e9", "#e69f00", "#2fd4a5", "#f0a6ce", "#f0e442", "#b8c4d6"] };
  const MARKERS = ["circle", "square", "triangle", "diamond", "hex", "star", "plus"];
  /** How much of the plot's height may be added for error bars, at each end. */
  const MOST_FOR_BARS = 0.25;
  const MARGIN = 0.05;
  /** From so many points on they are smaller, and their error bars fainter. */
  const MANY = 1_000;
  const night = matchMedia("(prefers-color-scheme: dark)");

  /** @type {any} */
  const Bokeh = /** @type {any} */ (window).Bokeh;
  /** @type {any} */
  let drawn = null;
  /** @type {any} */
  let wanted = null;

  addEventListener("message", (event) => {
    if (event.source !== parent || event.data?.type !== "draw") return;
    wanted = event.data;
    void draw();
  });
  night.addEventListener("change", () => void draw());
  report(Bokeh ? { type: "ready" } : { type: "failed" });

  async function draw() {
    if (!wanted) return;
    const view = drawn;
    drawn = null;
    try {
      const figure = figureOf(wanted, night.matches ? NIGHT : DAY);
      view?.remove();
      drawn = await Bokeh.Plotting.show(figure, document.getElementById("plot"));
      report({ type: "drawn" });
    } catch (error) {
      report({ type: "failed" });
      throw error;
    }
  }

  /** @param {object} message */
  function report(message) {
    parent.postMessage(message, "*");
  }

  /**
   * @param {any} plot
   * @param {typeof DAY} colours
   */
  function figureOf(plot, colours) {
    const edges = edgesOf(plot);
    const figure = Bokeh.Plotting.figure({
      sizing_mode: "stretch_both",
      tools: "pan,box_zoom,wheel_zoom,reset",
      toolbar_location: "above",
      x_axis_label: plot.xLabel,
      y_axis_label: plot.yLabel,
      y_range: new Bokeh.Range1d({ start: edges.faint, end: edges.bright }),
      background_fill_color: colours.ground,
      border_fill_color: colours.ground,
      outline_line_color: colours.line,
      output_backend: "canvas",
    });
    figure.toolbar.logo = null;
    const count = plot.series.reduce((/** @type {number} */ sum, /** @type {any} */ { x }) => sum + x.length, 0);
    for (const series of plot.series) addSeries(figure, series, colours, { count, edges, ...plot });
    const limits = plot.series.some((/** @type {any} */ { limit }) => limit.includes(true));
    paint(figure, colours, plot.series.length > 1 || limits, plot);
    return figure;
  }

  /**
   * Bright is up: small magnitudes, great fluxes. The detections set the range, so that they fill
   * the plot however long their error bars are, and however faint the limits.
   *
   * @param {any} plot
   * @returns {{bright: number, faint: number}}
   */
  function edgesOf(plot) {
    const sign = plot.quantity === "flux" ? -1 : 1; // fainter is more magnitudes, or less flux
    const detected = { bright: Infinity, faint: -Infinity };
    const bars = { bright: Infinity, faint: -Infinity };
    const limits = { bright: Infinity, faint: -Infinity };
    const widen = (/** @type {typeof bars} */ range, /** @type {number} */ value, /** @type {number} */ by) => {
      range.bright = Math.min(range.bright, sign * value - by);
      range.faint = Math.max(range.faint, sign * value + by);
    };
    for (const { y, error, limit } of plot.series) {
      for (const [index, value] of y.entries()) {
        if (limit[index]) widen(limits, value, 0);
        else {
          widen(detected, value, 0);
          widen(bars, value, error[index] ?? 0);
        }
      }
    }
    const shown = detected.bright <= detected.faint ? detected : limits.bright <= limits.faint ? limits : { bright: 0, faint: 1 };
    const span = shown.faint - shown.bright || (bars.faint - bars.bright) / 2 || Math.abs(shown.faint) * 0.01 || 1;
    const reach = { bright: Math.max(bars.bright, shown.bright - MOST_FOR_BARS * span), faint: Math.min(bars.faint, shown.faint + MOST_FOR_BARS * span) };
    const bright = Math.min(shown.bright, reach.bright) - MARGIN * span;
    const faint = Math.max(shown.faint, reach.faint, Math.min(limits.faint, shown.faint + span)) + MARGIN * span;
    return { bright: sign * bright, faint: sign * faint };
  }

  /**
   * @param {any} figure
   * @param {{name: string, place: number, x: number[], y: number[], error: (number | null)[], limit: boolean[]}} series
   * @param {typeof DAY} colours
   * @param {any} plot with the `count` of the points of all series, and the `edges` of the plot
   */
  function addSeries(figure, series, colours, { count, edges, barStep, quantity }) {
    const colour = colours.series[series.place % colours.series.length];
    const marker = MARKERS[series.place % MARKERS.length];
    const size = count > MANY ? 4 : 6;
    const name = series.name || "no filter";
    const some = (/** @type {boolean} */ limit) => {
      const chosen = series.x.map((_, index) => index).filter((index) => Boolean(series.limit[index]) === limit);
      const shown = (/** @type {number} */ y) => (limit ? inside(y, edges, quantity) : y);
      const data = { x: chosen.map((index) => series.x[index]), y: chosen.map((index) => shown(series.y[index])) };
      return chosen.length ? new Bokeh.ColumnDataSource({ data }) : null;
    };
    const [points, limits] = [some(false), some(true)];
    if (points) {
      figure.scatter({ field: "x" }, { field: "y" }, {
        source: points, marker, size, line_color: marker === "plus" ? colour : null, fill_color: colour, fill_alpha: 0.85, legend_label: name,
      });
    }
    if (limits) {
      // Hollow, and pointing to where the object is: fainter, which is down.
      figure.scatter({ field: "x" }, { field: "y" }, {
        source: limits, marker: "inverted_triangle", size: size + 2, line_color: colour, line_width: 1.5, fill_color: null, legend_label: `${name}, not detected`,
      });
    }
    const known = series.error.map((error, index) => index).filter((index) => series.error[index] !== null)
      .filter((_, index) => index % barStep === 0);
    if (!known.length) return;
    const spread = (/** @type {number} */ sign) => known.map((index) => series.y[index] + sign * Number(series.error[index]));
    const bars = new Bokeh.ColumnDataSource({
      data: { base: known.map((index) => series.x[index]), lower: spread(-1), upper: spread(1) },
    });
    figure.add_layout(new Bokeh.Whisker({
      source: bars, base: { field: "base" }, lower: { field: "lower" }, upper: { field: "upper" },
      line_color: colour, line_alpha: count > MANY ? 0.2 : 0.5, upper_head: null, lower_head: null, level: "underlay",
    }));
  }

  /**
   * Return where a limit is drawn: at the faint edge if it is fainter than what is shown, which is
   * true of the object all the same.
   *
   * @param {number} limit
   * @param {{bright: number, faint: number}} edges
   * @param {string} quantity
   */
  function inside(limit, { bright, faint }, quantity) {
    const edge = faint - (faint - bright) * 0.02;
    return quantity === "flux" ? Math.max(limit, edge) : Math.min(limit, edge);
  }

  /**
   * @param {any} figure
   * @param {typeof DAY} colours
   * @param {boolean} named whether there is more than one kind of points
   * @param {any} plot
   */
  function paint(figure, colours, named, plot) {
    const tiny = plot.series.every((/** @type {any} */ { y }) => y.every((/** @type {number} */ value) => Math.abs(value) < 1e-2));
    for (const axis of [...figure.below, ...figure.left]) {
      if (!axis.axis_label_text_color) continue;
      Object.assign(axis, {
        axis_label_text_color: colours.ink, major_label_text_color: colours.ink, axis_line_color: colours.line,
        major_tick_line_color: colours.line, minor_tick_line_color: null,
        formatter: new Bokeh.BasicTickFormatter({ use_scientific: tiny && figure.left.includes(axis) }),
      });
    }
    for (const grid of figure.center) if ("grid_line_color" in grid) grid.grid_line_color = colours.line;
    // Above the plot, so that it hides no points.
    const legend = figure.legend;
    figure.center = figure.center.filter((/** @type {any} */ part) => part !== legend);
    figure.add_layout(legend, "above");
    Object.assign(legend, { visible: named, label_text_color: colours.ink, background_fill_color: colours.ground, border_line_color: colours.line, border_line_alpha: 0, orientation: "horizontal", ncols: 6 });
  }
})();
