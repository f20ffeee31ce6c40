/**
 * The picture: ground and robots on a canvas, in the colours of Gymnasium's own.
 * @module
 */

const LIGHT = {
  sky: "#d7d7ff",
  soil: "#66994c",
  grass: "#4ccc4c",
  box: ["#ffffff", "#999999"],
  ink: "#23272e",
};
const DARK = {
  sky: "#171b2e",
  soil: "#2f4a26",
  grass: "#3f9c3f",
  box: ["#5a6172", "#8a92a3"],
  ink: "#e8eaee",
};
const HULL_COLOURS = ["#7f33e5", "#4c4c7f"];
const LEG_COLOURS = [
  ["#b26598", "#7f4c65"],
  ["#803366", "#4d1a33"],
];
const BEAM = "#ff3b30";
const CONTACT = "#ff9500";
const FLAG = "#e63300";
/** Order in which bodies are drawn, as Gymnasium does: the hull last. */
const ORDER = [1, 2, 3, 4, 0];

const CSS_PIXELS_A_METRE = 40;
const [NARROWEST, WIDEST] = [11, 20];
/** Share of the view that lies behind the robot. */
const BEHIND = 0.25;
/** m, of the view that lies above the hull's usual height. */
const MIDDLE = 5.5;

/** Draws what it is told to on one canvas. */
export class View {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this._context = canvas.getContext("2d");
    this._dark = matchMedia("(prefers-color-scheme: dark)");
    /** Where the view begins, m. */
    this.left = 0;
    this._bottom = 0;
    this._scale = 1;
  }

  /** Fit the canvas to its place in the page. */
  fit() {
    const { clientWidth, clientHeight } = this.canvas;
    const ratio = devicePixelRatio || 1;
    this.canvas.width = Math.round(clientWidth * ratio);
    this.canvas.height = Math.round(clientHeight * ratio);
    const across = Math.min(Math.max(clientWidth / CSS_PIXELS_A_METRE, NARROWEST), WIDEST);
    this._scale = this.canvas.width / across;
  }

  /**
   * Move the camera to a robot.
   * @param {[number, number]} hull
   */
  follow([x, y]) {
    this.left = x - (BEHIND * this.canvas.width) / this._scale;
    const wanted = y - MIDDLE * Math.min(1, this.canvas.height / this._scale / 11);
    this._bottom += 0.1 * (wanted - this._bottom);
  }

  /** Move the camera by so many CSS pixels. @param {number} pixels */
  pan(pixels) {
    this.left -= (pixels * (devicePixelRatio || 1)) / this._scale;
  }

  /**
   * The point of the world below the pointer.
   * @param {PointerEvent} event
   * @returns {[number, number]}
   */
  toWorld(event) {
    const ratio = devicePixelRatio || 1;
    return [
      this.left + (event.offsetX * ratio) / this._scale,
      this._bottom + (this.canvas.height - event.offsetY * ratio) / this._scale,
    ];
  }

  _toPixels([x, y]) {
    return [(x - this.left) * this._scale, this.canvas.height - (y - this._bottom) * this._scale];
  }

  /**
   * @param {import("./engine.mjs").Walker} walker whose ground is drawn
   */
  drawGround(walker) {
    const colours = this._colours();
    const { width, height } = this.canvas;
    this._context.fillStyle = colours.sky;
    this._context.fillRect(0, 0, width, height);
    const { line, boxes } = walker.terrain();
    const [first, last] = [line[0][0], line[line.length - 1][0]];
    const below = this._bottom - 1;
    this._polygon([...line, [last, below], [first, below]], colours.soil);
    this._path(line, colours.grass, 2.5);
    for (const [left, bottom, right, top] of boxes) {
      const corners = [[left, bottom], [right, bottom], [right, top], [left, top]];
      this._polygon(corners, ...colours.box);
    }
    this._flag(walker.layout.constants);
  }

  _flag({ TERRAIN_STEP, TERRAIN_HEIGHT, SCALE }) {
    const x = 3 * TERRAIN_STEP;
    const top = TERRAIN_HEIGHT + 50 / SCALE;
    this._path([[x, TERRAIN_HEIGHT], [x, top]], this._colours().ink, 1.5);
    this._polygon([[x, top], [x, top - 10 / SCALE], [x + 25 / SCALE, top - 5 / SCALE]], FLAG);
  }

  /**
   * @param {import("./engine.mjs").Walker} walker
   * @param {{rank: number, lidar: boolean, contacts: boolean, name: string}} how `rank` 0 is solid,
   *   the others are ghosts, each with its name above the last
   */
  drawRobot(walker, { rank, lidar, contacts, name }) {
    this._context.globalAlpha = rank > 0 ? 0.4 : 1;
    if (lidar) for (const beam of walker.lidar()) this._path([beam.from, beam.to], BEAM, 1);
    const outlines = walker.outlines();
    for (const body of ORDER) {
      this._polygon(outlines[body], ...(body === 0 ? HULL_COLOURS : LEG_COLOURS[body < 3 ? 0 : 1]));
    }
    if (contacts) for (const { point } of walker.contacts()) this._dot(point, CONTACT);
    if (name) this._label(walker.hull, name, 0.8 + 0.55 * rank);
    this._context.globalAlpha = 1;
  }

  /** The push that would follow from letting go now. */
  drawArrow(from, to) {
    this._path([from, to], BEAM, 3);
    this._dot(to, BEAM);
  }

  _colours() {
    return this._dark.matches ? DARK : LIGHT;
  }

  _trace(points) {
    this._context.beginPath();
    for (const point of points) this._context.lineTo(...this._toPixels(point));
  }

  _polygon(points, fill, edge = undefined) {
    this._trace(points);
    this._context.closePath();
    this._context.fillStyle = fill;
    this._context.fill();
    if (edge !== undefined) this._stroke(edge, 1.5);
  }

  _path(points, colour, width) {
    this._trace(points);
    this._stroke(colour, width);
  }

  _stroke(colour, width) {
    this._context.lineJoin = "round";
    this._context.strokeStyle = colour;
    this._context.lineWidth = width * (devicePixelRatio || 1);
    this._context.stroke();
  }

  _dot(point, colour) {
    this._context.beginPath();
    this._context.arc(...this._toPixels(point), 0.1 * this._scale, 0, 2 * Math.PI);
    this._context.fillStyle = colour;
    this._context.fill();
  }

  _label([x, y], text, above) {
    this._context.font = `${12 * (devicePixelRatio || 1)}px system-ui, sans-serif`;
    this._context.textAlign = "center";
    this._context.fillStyle = this._colours().ink;
    this._context.fillText(text, ...this._toPixels([x, y + above]));
  }
}
