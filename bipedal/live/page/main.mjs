/**
 * The page: real time, controls, pushes, and the proof.
 * @module
 */

import { compileEngine } from "./engine.mjs";
import { compare } from "./parity.mjs";
import { Race } from "./race.mjs";
import { View } from "./view.mjs";

/** N s for each m that the pointer is dragged. */
const IMPULSE_A_METRE = 5;
/** m from a hull's origin at which it can be grabbed. */
const REACH = 1.2;
/** Timesteps that are made up for after a slow frame; the rest is lost time. */
const MOST_AT_ONCE = 5;

const element = (id) => document.getElementById(id);

/** @param {string} text @returns {Uint8Array} */
const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

const floatsOf = (text) => new Float32Array(bytesOf(text).buffer);

/** The models and episodes in the page, with their numbers as typed arrays. */
function unpack({ models, episodes, ...rest }) {
  return {
    ...rest,
    models: models.map((model) => ({
      ...model,
      layers: model.layers.map((layer) =>
        "weight" in layer
          ? { ...layer, weight: floatsOf(layer.weight), bias: floatsOf(layer.bias) }
          : layer,
      ),
    })),
    episodes: episodes.map((episode) => ({
      ...episode,
      actions: episode.actions === null ? null : floatsOf(episode.actions),
      digests: new BigUint64Array(bytesOf(episode.digests).buffer),
    })),
  };
}

/** What the controls do, and what time does. */
class Page {
  constructor(module, models) {
    this.race = new Race(module, models);
    this._view = new View(element("canvas"));
    this._playing = true;
    this._owed = 0;
    this._last = undefined;
    /** A push in the making: whom, where it began, where the pointer is. */
    this._grip = undefined;
    this._rows = models.map(() => element("scores").insertRow());
    this.begin();
    this._listen();
    this._watchPointer();
    requestAnimationFrame((now) => this._frame(now));
  }

  begin() {
    const seed = element("seed");
    if (!seed.reportValidity()) return;
    this.race.begin(BigInt(seed.value), element("hardcore").checked);
    this._play(true);
  }

  _listen() {
    element("play").onclick = () => (this.race.over ? this.begin() : this._play(!this._playing));
    element("step").onclick = () => this._stepOnce();
    element("begin").onsubmit = (event) => {
      event.preventDefault();
      this.begin();
    };
    element("hardcore").onchange = () => this.begin();
    element("time").oninput = () => {
      this._play(false);
      this.race.goTo(Number(element("time").value));
    };
    addEventListener("keydown", (event) => {
      if (event.target.matches("input, select, button")) return;
      if (event.key === " ") this._play(!this._playing);
      else if (event.key === "ArrowRight") this._stepOnce();
      else if (event.key === "ArrowLeft") this._stepBack();
      else return;
      event.preventDefault();
    });
  }

  _play(playing) {
    this._playing = playing;
    this._owed = 0;
    element("play").textContent = playing ? "Pause" : "Play";
  }

  _stepOnce() {
    this._play(false);
    this.race.step();
  }

  _stepBack() {
    this._play(false);
    this.race.goTo(this.race.time - 1);
  }

  _watchPointer() {
    const canvas = element("canvas");
    canvas.onpointerdown = (event) => {
      canvas.setPointerCapture(event.pointerId);
      const at = this._view.toWorld(event);
      const away = ({ walker }) => Math.hypot(walker.hull[0] - at[0], walker.hull[1] - at[1]);
      const [nearest] = [...this.race.runners].sort((a, b) => away(a) - away(b));
      this._grip = { runner: away(nearest) < REACH ? nearest : undefined, from: at, to: at };
    };
    canvas.onpointermove = (event) => {
      if (this._grip === undefined) return;
      this._grip.to = this._view.toWorld(event);
      if (this._grip.runner === undefined) {
        element("follow").checked = false;
        this._view.pan(event.movementX);
      }
    };
    canvas.onpointerup = () => this._letGo();
    canvas.onpointercancel = () => (this._grip = undefined);
  }

  _letGo() {
    const { runner, from, to } = this._grip ?? {};
    this._grip = undefined;
    if (runner === undefined) return;
    const impulse = [to[0] - from[0], to[1] - from[1]].map((length) => length * IMPULSE_A_METRE);
    this.race.push(runner, impulse, from);
  }

  _frame(now) {
    const elapsed = this._last === undefined ? 0 : (now - this._last) / 1000;
    this._last = now;
    if (this._playing) this._advance(elapsed * Number(element("speed").value));
    this._draw();
    this._tell();
    requestAnimationFrame((next) => this._frame(next));
  }

  /** Do the timesteps of so many seconds of the robots' time. */
  _advance(seconds) {
    const { FPS } = this.race.runners[0].walker.layout.constants;
    this._owed = Math.min(this._owed + seconds * FPS, MOST_AT_ONCE);
    for (; this._owed >= 1; this._owed -= 1) this.race.step();
    if (this.race.over) this._play(false);
  }

  _draw() {
    const { runners } = this.race;
    this._view.fit();
    if (element("follow").checked) {
      const running = runners.filter((runner) => !runner.end);
      const leaders = running.length > 0 ? running : runners;
      const [leader] = [...leaders].sort((a, b) => b.walker.hull[0] - a.walker.hull[0]);
      this._view.follow(leader.walker.hull);
    }
    this._view.drawGround(runners[0].walker);
    for (const [rank, { walker, name }] of [...runners.entries()].reverse()) {
      this._view.drawRobot(walker, {
        rank,
        lidar: rank === 0 && element("lidar").checked,
        contacts: element("contacts").checked,
        name: runners.length > 1 ? name : "",
      });
    }
    if (this._grip?.runner) this._view.drawArrow(this._grip.from, this._grip.to);
  }

  _tell() {
    const { race } = this;
    Object.assign(element("time"), { min: race.earliest, max: race.latest, value: race.time });
    element("clock").textContent = `${(race.time / 50).toFixed(2)} s`;
    race.runners.forEach((runner, i) => {
      const { walker, name, total, end } = runner;
      const cells = [
        name,
        total.toFixed(1),
        `${walker.distance.toFixed(1)} m`,
        `${walker.speed.toFixed(1)} m/s`,
        end || "walks",
      ];
      const row = this._rows[i];
      while (row.cells.length < cells.length) row.insertCell();
      cells.forEach((text, column) => (row.cells[column].textContent = text));
    });
  }
}

/** Play the episodes one by one, and say how many steps are the same. */
async function prove(module, episodes, models) {
  let [identical, total] = [0, 0];
  for (const episode of episodes) {
    await new Promise((resume) => setTimeout(resume));
    const result = compare(module, episode, models);
    identical += result.identical;
    total += result.total;
    const row = element("episodes").insertRow();
    row.insertCell().textContent = episode.name;
    row.insertCell().textContent = `${result.identical} of ${result.total}`;
  }
  element("parity").textContent = `${identical} of ${total} steps identical`;
  element("parity").dataset.same = String(identical === total);
}

async function start() {
  const began = performance.now();
  const data = unpack(JSON.parse(element("data").textContent));
  const module = await compileEngine(bytesOf(data.engine));
  element("hardcore").checked = data.hardcore;
  const page = new Page(module, data.models);
  page.race.step();
  element("ready").textContent = `First step after ${(performance.now() - began).toFixed(0)} ms.`;
  await prove(module, data.episodes, data.models);
}

start().catch((error) => {
  element("parity").textContent = `This browser cannot run the page: ${error.message}`;
  throw error;
});
