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
  /** In frames narrower than so many pixels the labels of the time would overlap. */
  const NARROW = 480;
  const night = matchMedia("(prefers-color-scheme: dark)");

  /** @type {any} */
  const Bokeh = /** @type {any} */ (window).Bokeh;
  /** @type {any} */
  let drawn = null;
  /** @type {any} */
  let wanted = null;
  const choosing = new (/** @type {any} */ (window).Choosing)((/** @type {number[]} */ numbers) => {
    wanted.chosen = numbers;
    report({ type: "picked", numbers });
  });

  addEventListener("message", (event) => {
    if (event.source !== parent) return;
    if (event.data?.type === "draw") {
      wanted = event.data;
      void draw();
    } else if (event.data?.type === "choose" && wanted) {
      wanted.chosen = event.data.numbers;
      choosing.show(wanted.chosen);
    }
  });
  night.addEventListener("change", () => void draw());
  report(Bokeh ? { type: "ready" } : { type: "failed" });

  async function draw() {
    if (!wanted) return;
    const view = drawn;
    drawn = null;
    try {
      choosing.clear();
      const figure = figureOf(wanted, night.matches ? NIGHT : DAY);
      view?.remove();
      drawn = await Bokeh.Plotting.show(figure, document.getElementById("plot"));
      choosing.view = drawn;
      choosing.show(wanted.chosen);
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
    const numbered = plot.series.some((/** @type {any} */ { number }) => number.some((/** @type {number | null} */ each) => each !== null));
    const figure = Bokeh.Plotting.figure({
      sizing_mode: "stretch_both",
      tools: numbered ? "pan,box_zoom,wheel_zoom,box_select,tap,reset" : "pan,box_zoom,wheel_zoom,reset",
      x_axis_type: plot.dates ? "datetime" : "auto",
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
    // In a bar just as wide as its tools, Bokeh would take the last one for one too many.
    figure.toolbar.stylesheets = [":host { padding-right: 20px; }"];
    const count = plot.series.reduce((/** @type {number} */ sum, /** @type {any} */ { x }) => sum + x.length, 0);
    for (const series of plot.series) addSeries(figure, series, colours, { count, edges, ...plot });
    const kinds = plot.series.some((/** @type {any} */ { limit, out }) => limit.includes(true) || out.includes(true));
    paint(figure, colours, plot.series.length > 1 || kinds, plot);
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
    const gone = { bright: Infinity, faint: -Infinity };
    const widen = (/** @type {typeof bars} */ range, /** @type {number} */ value, /** @type {number} */ by) => {
      range.bright = Math.min(range.bright, sign * value - by);
      range.faint = Math.max(range.faint, sign * value + by);
    };
    const every = plot.series.every((/** @type {any} */ { out }) => out.every(Boolean));
    for (const { y, error, limit, out } of plot.series) {
      for (const [index, value] of y.entries()) {
        if (out[index] && !every) widen(gone, value, 0);
        else if (limit[index]) widen(limits, value, 0);
        else {
          widen(detected, value, 0);
          widen(bars, value, error[index] ?? 0);
        }
      }
    }
    const shown = detected.bright <= detected.faint ? detected : limits.bright <= limits.faint ? limits : { bright: 0, faint: 1 };
    const span = shown.faint - shown.bright || (bars.faint - bars.bright) / 2 || Math.abs(shown.faint) * 0.01 || 1;
    const reach = { bright: Math.max(bars.bright, shown.bright - MOST_FOR_BARS * span), faint: Math.min(bars.faint, shown.faint + MOST_FOR_BARS * span) };
    const bright = Math.min(shown.bright, reach.bright, gone.bright) - MARGIN * span;
    const faint = Math.max(shown.faint, reach.faint, gone.faint, Math.min(limits.faint, shown.faint + span)) + MARGIN * span;
    return { bright: sign * bright, faint: sign * faint };
  }

  /**
   * @param {any} figure
   * @param {{name: string, place: number, x: number[], y: number[], error: (number | null)[], limit: boolean[], number: (number | null)[], out: boolean[]}} series
   * @param {typeof DAY} colours
   * @param {any} plot with the `count` of the points of all series, and the `edges` of the plot
   */
  function addSeries(figure, series, colours, { count, edges, barStep, quantity }) {
    const colour = colours.series[series.place % colours.series.length];
    const marker = MARKERS[series.place % MARKERS.length];
    const size = count > MANY ? 4 : 6;
    const name = series.name || "no filter";
    /**
     * @param {boolean} limit
     * @param {boolean} out
     * @param {object} look
     */
    const some = (limit, out, look) => {
      const those = series.x.map((_, index) => index).filter((index) => Boolean(series.limit[index]) === limit && series.out[index] === out);
      if (!those.length) return;
      const shown = (/** @type {number} */ y) => (limit ? inside(y, edges, quantity) : y);
      const data = { x: those.map((index) => series.x[index]), y: those.map((index) => shown(series.y[index])), number: those.map((index) => series.number[index]) };
      const source = new Bokeh.ColumnDataSource({ data });
      choosing.add(source);
      // What is not chosen stays as it is; what is chosen has a rim.
      const rim = { selection_line_color: colours.ink, selection_line_width: 2, selection_line_alpha: 1, nonselection_fill_alpha: out ? 0 : 0.85, nonselection_line_alpha: out ? 0.7 : 1 };
      figure.scatter({ field: "x" }, { field: "y" }, { source, marker, size, ...rim, ...look });
    };
    // Hollow, and pointing to where the object is: fainter, which is down.
    const limits = { marker: "inverted_triangle", size: size + 2, line_color: colour, line_width: 1.5, fill_color: null };
    const hollow = { line_color: colour, line_width: 1.25, line_alpha: 0.7, fill_color: null, fill_alpha: 0 };
    some(false, false, { line_color: marker === "plus" ? colour : null, fill_color: colour, fill_alpha: 0.85, legend_label: name });
    some(true, false, { ...limits, legend_label: `${name}, not detected` });
    some(false, true, { ...hollow, legend_label: "left out" });
    some(true, true, { ...limits, ...hollow, legend_label: "left out" });
    const known = series.error.map((error, index) => index).filter((index) => series.error[index] !== null && !series.out[index])
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
        ...(plot.dates && figure.below.includes(axis) ? {} : { formatter: new Bokeh.BasicTickFormatter({ use_scientific: tiny && figure.left.includes(axis) }) }),
      });
    }
    if (innerWidth < NARROW) {
      figure.min_border_right = 20; // the last label is centred on its tick
      for (const axis of figure.below) if (axis.ticker) axis.ticker.desired_num_ticks = Math.max(2, Math.floor(innerWidth / 90));
    }
    for (const grid of figure.center) if ("grid_line_color" in grid) grid.grid_line_color = colours.line;
    // Above the plot, so that it hides no points.
    const legend = figure.legend;
    figure.center = figure.center.filter((/** @type {any} */ part) => part !== legend);
    figure.add_layout(legend, "above");
    Object.assign(legend, { visible: named, label_text_color: colours.ink, background_fill_color: colours.ground, border_line_color: colours.line, border_line_alpha: 0, orientation: "horizontal", ncols: Math.max(2, Math.min(6, Math.floor(innerWidth / 140))) });
  }
})();
