/**
 * The picture: ground and robots on a canvas, after Gymnasium's own.
 * @module
 */

import { BALL } from "./ball.mjs";
import { LANDSCAPE, legColours, tintOf } from "./colours.mjs";

/** Order in which bodies are drawn, as Gymnasium does: the hull last. */
const ORDER = [1, 2, 3, 4, 0];

const CSS_PIXELS_A_METRE = 40;
/** m that a view shows across before it is zoomed. */
const [NARROWEST, WIDEST] = [10, 20];
const ZOOMS = [0.4, 3];
/** Share of the view that lies behind the robot. */
const BEHIND = 0.28;
/** Share of the view that lies below the ground, where that is at its usual height. */
const BELOW = 0.3;
/** m, of the ground at the start. */
const USUAL_HEIGHT = 10 / 3;
/** Share of the way to the robot's height that the camera goes in one picture. */
const HASTE = 0.08;
/** Speed at which far hills pass, how high and how wide they are, in views and rad a m. */
const HILLS = [
  { speed: 0.12, height: 0.36, swing: 0.05, waves: [0.09, 0.23] },
  { speed: 0.3, height: 0.26, swing: 0.05, waves: [0.17, 0.41] },
];

/** Draws what it is told to on one canvas. */
export class View {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this._context = canvas.getContext("2d");
    this._dark = matchMedia("(prefers-color-scheme: dark)");
    this._calm = matchMedia("(prefers-reduced-motion: reduce)");
    /** Where the view begins, m. */
    this.left = 0;
    this._bottom = undefined;
    this._zoom = 1;
    this._scale = 1;
  }

  /** Fit the canvas to its place in the page. */
  fit() {
    const { clientWidth, clientHeight } = this.canvas;
    const ratio = devicePixelRatio || 1;
    const [width, height] = [clientWidth, clientHeight].map((length) => Math.round(length * ratio));
    if (this.canvas.width !== width) this.canvas.width = width;
    if (this.canvas.height !== height) this.canvas.height = height;
    const across = Math.min(Math.max(clientWidth / CSS_PIXELS_A_METRE, NARROWEST), WIDEST);
    this._scale = (this._zoom * width) / across;
    this._bottom ??= this._bottomFor(USUAL_HEIGHT);
  }

  /**
   * Show less or more of the world, around a point of the canvas.
   * @param {number} factor
   * @param {number} x CSS pixels; by default where the robot is
   */
  zoom(factor, x = BEHIND * this.canvas.clientWidth) {
    const before = this.toWorld({ offsetX: x, offsetY: 0 })[0];
    this._zoom = Math.min(Math.max(this._zoom * factor, ZOOMS[0]), ZOOMS[1]);
    this._bottom = undefined;
    this.fit();
    this.left += before - this.toWorld({ offsetX: x, offsetY: 0 })[0];
  }

  /**
   * Move the camera to a robot.
   * @param {[number, number]} hull
   * @param {number} ground m, below it
   */
  follow([x], ground) {
    this.left = x - (BEHIND * this.canvas.width) / this._scale;
    this._bottom += (this._calm.matches ? 1 : HASTE) * (this._bottomFor(ground) - this._bottom);
  }

  _bottomFor(ground) {
    return ground - (BELOW * this.canvas.height) / this._scale;
  }

  /** Move the camera by so many CSS pixels. @param {number} pixels */
  pan(pixels) {
    this.left -= (pixels * (devicePixelRatio || 1)) / this._scale;
  }

  /**
   * The point of the world below the pointer.
   * @param {{offsetX: number, offsetY: number}} event
   * @returns {[number, number]}
   */
  toWorld({ offsetX, offsetY }) {
    const ratio = devicePixelRatio || 1;
    return [
      this.left + (offsetX * ratio) / this._scale,
      this._bottom + (this.canvas.height - offsetY * ratio) / this._scale,
    ];
  }

  _toPixels([x, y]) {
    return [(x - this.left) * this._scale, this.canvas.height - (y - this._bottom) * this._scale];
  }

  // Landscape --------------------------------------------------------------------------------------

  /**
   * @param {import("./engine.mjs").Walker} walker whose ground is drawn
   */
  drawGround(walker) {
    const colours = this._colours();
    this._sky(colours);
    const { line, boxes } = walker.terrain();
    const [first, last] = [line[0][0], line[line.length - 1][0]];
    const below = this._bottom - 1;
    this._polygon([...line, [last, below], [first, below]], colours.soil);
    this._path(line, colours.grass, 3);
    for (const [left, bottom, right, top] of boxes) {
      const corners = [[left, bottom], [right, bottom], [right, top], [left, top]];
      this._polygon(corners, ...colours.box);
    }
    this._flags(walker, line, colours);
    this._distances(walker, line, colours);
  }

  _sky({ sky, hills }) {
    const { width, height } = this.canvas;
    const gradient = this._context.createLinearGradient(0, 0, 0, height);
    sky.forEach((colour, i) => gradient.addColorStop(i, colour));
    this._context.fillStyle = gradient;
    this._context.fillRect(0, 0, width, height);
    HILLS.forEach((hill, i) => this._hill(hill, hills[i]));
  }

  _hill({ speed, height, swing, waves }, colour) {
    const { width } = this.canvas;
    const start = this._calm.matches ? 0 : this.left * speed;
    const step = Math.max(4, Math.round(width / 80));
    this._context.beginPath();
    this._context.moveTo(0, this.canvas.height);
    for (let x = 0; x <= width + step; x += step) {
      const at = start + x / this._scale;
      const wave = waves.reduce((sum, wave) => sum + Math.sin(wave * at * 4) / 2, 0);
      this._context.lineTo(x, this.canvas.height * (1 - height - BELOW / 3 - swing * wave));
    }
    this._context.lineTo(width, this.canvas.height);
    this._context.fillStyle = colour;
    this._context.fill();
  }

  /** Where the way begins and where it ends. */
  _flags({ layout }, line, { ink }) {
    const { TERRAIN_STEP, SCALE } = layout.constants;
    for (const column of [3, line.length - 10]) {
      const [x, foot] = [column * TERRAIN_STEP, line[column][1]];
      const top = foot + 50 / SCALE;
      this._path([[x, foot], [x, top]], ink, 1.5);
      const [tip, low] = [[x + 25 / SCALE, top - 5 / SCALE], [x, top - 10 / SCALE]];
      this._polygon([[x, top], low, tip], "#e63300");
    }
  }

  /** How far it is from the start, every ten metres. */
  _distances({ arrays, layout }, line, { faint }) {
    for (let metres = 10; metres < 90; metres += 10) {
      const x = arrays.start_x[0] + metres;
      const column = Math.floor(x / layout.constants.TERRAIN_STEP);
      if (column < line.length) this._text([x, line[column][1] - 0.75], `${metres} m`, faint, 11);
    }
  }

  // Robots -----------------------------------------------------------------------------------------

  /**
   * @param {import("./race.mjs").Runner} runner
   * @param {{solid: boolean, lidar: boolean, contacts: boolean, torques: boolean, above: number,
   *   label: string}} how whether it is solid or a ghost, and m from hull to label
   */
  drawRobot(runner, { solid, lidar, contacts, torques, above, label }) {
    const { walker, number, balls } = runner;
    this._context.globalAlpha = solid ? 1 : 0.4;
    if (lidar) for (const beam of walker.lidar()) this._beam(beam);
    const outlines = walker.outlines();
    for (const body of ORDER) {
      const colours = body === 0 ? tintOf(number) : legColours(number, body < 3 ? 0 : 1);
      this._polygon(outlines[body], ...colours);
    }
    if (torques) this._torques(runner);
    for (const { at } of balls) this._disc(at, BALL.radius, ...this._colours().ball);
    if (contacts) for (const { point } of walker.contacts()) this._disc(point, 0.1, "#ff9500");
    this._context.globalAlpha = 1;
    if (label) this._text([walker.hull[0], walker.hull[1] + above], label, this._colours().ink, 12);
  }

  _beam({ from, to }) {
    this._path([from, to], this._colours().beam, 1);
    this._disc(to, 0.05, this._colours().beam);
  }

  /** An arc at each joint, as long as the motor is strong. */
  _torques({ walker, action }) {
    walker.joints().forEach((joint, i) => {
      const share = Math.min(Math.max(action[i], -1), 1);
      const [x, y] = this._toPixels(joint);
      this._context.beginPath();
      const start = -Math.PI / 2;
      this._context.arc(x, y, 0.32 * this._scale, start, start - share * 2.4, share > 0);
      this._stroke(this._colours().torque[share > 0 ? 0 : 1], 4);
    });
  }

  /** What would follow from letting go now. */
  drawArrow(from, to) {
    this._path([from, to], this._colours().beam, 3);
    this._disc(to, 0.1, this._colours().beam);
  }

  /** A ball that waits to be thrown. */
  drawBall(at, radius) {
    this._disc(at, radius, ...this._colours().ball);
  }

  /** Where a tool would do something, or why it cannot. */
  drawHint(box, possible) {
    const [left, bottom, right, top] = box;
    this._context.globalAlpha = 0.5;
    const corners = [[left, bottom], [right, bottom], [right, top], [left, top]];
    this._polygon(corners, possible ? this._colours().box[0] : this._colours().beam);
    this._context.globalAlpha = 1;
  }

  // Strokes ----------------------------------------------------------------------------------------

  _colours() {
    return LANDSCAPE[this._dark.matches ? "dark" : "light"];
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
    this._context.lineCap = "round";
    this._context.strokeStyle = colour;
    this._context.lineWidth = width * (devicePixelRatio || 1);
    this._context.stroke();
  }

  _disc(point, radius, fill, edge = undefined) {
    this._context.beginPath();
    this._context.arc(...this._toPixels(point), radius * this._scale, 0, 2 * Math.PI);
    this._context.fillStyle = fill;
    this._context.fill();
    if (edge !== undefined) this._stroke(edge, 1.5);
  }

  _text(point, text, colour, size) {
    this._context.font = `${size * (devicePixelRatio || 1)}px system-ui, sans-serif`;
    this._context.textAlign = "center";
    this._context.fillStyle = colour;
    this._context.fillText(text, ...this._toPixels(point));
  }
}
