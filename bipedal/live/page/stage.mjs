/**
 * What is to be seen: the picture, the diagrams, the numbers.
 * @module
 */

import { tintOf } from "./colours.mjs";
import { element, write } from "./dom.mjs";
import { describeWorld } from "./events.mjs";
import { classifyGait, classifyPosture } from "./gait.mjs";
import { heightAt } from "./record.mjs";
import { SHOWN, Strip } from "./strip.mjs";
import { View } from "./view.mjs";

/** ms from one change of the table to the next while time runs: faster nobody reads. */
const READABLE = 125;

const isOn = (id) => element(id).checked;

/** Shows a player's race. */
export class Stage {
  /**
   * @param {import("./player.mjs").Player} player
   * @param {object} limits where one gait ends and the next begins, for `classifyGait`
   */
  constructor(player, limits) {
    this._player = player;
    this._limits = limits;
    this.view = new View(element("canvas"));
    this._strip = new Strip(element("strip"));
    this._rows = [];
    this._told = 0;
    /** Called with the number of a model that shall go. */
    this.onRemove = () => {};
    /** Draws what the pointer is about to do, over the picture. */
    this.drawTool = () => {};
  }

  show() {
    this._picture();
    this._numbers();
    const { race, recorder, watched } = this._player;
    this._strip.draw(recorder.recent(watched, race.time, SHOWN), {
      feet: isOn("gait"),
      torques: isOn("actions"),
      value: isOn("value"),
    });
  }

  _picture() {
    const { runners } = this._player.race;
    const { runner } = this._player;
    this.view.fit();
    if (isOn("follow")) {
      const { hull } = runner.walker;
      this.view.follow(hull, heightAt(runner.walker, hull[0]));
    }
    this.view.drawGround(runner.walker);
    const ghosts = runners.filter((one) => one !== runner).reverse();
    for (const one of [...ghosts, runner]) {
      const solid = one === runner;
      this.view.drawRobot(one, {
        solid,
        lidar: solid && isOn("lidar"),
        contacts: isOn("contacts"),
        torques: solid && isOn("torques"),
        above: 0.8 + 0.55 * one.number,
        label: runners.length > 1 && isOn("names") ? one.name : "",
      });
    }
    this.drawTool(this.view);
  }

  _numbers() {
    const { race, playing } = this._player;
    Object.assign(element("time"), { max: race.latest, value: race.time });
    write(element("clock"), `${(race.time / 50).toFixed(2)} s`);
    write(element("play"), playing ? "Pause" : race.over ? "Again" : "Play");
    const now = performance.now();
    if (playing && now - this._told < READABLE) return;
    this._told = now;
    element("time").setAttribute("aria-valuetext", `${(race.time / 50).toFixed(1)} seconds`);
    element("release").disabled = this._player.runner.held < 0;
    this._tellWorld(race);
    race.runners.forEach((runner, i) => {
      const texts = this._describe(runner);
      texts.forEach((text, column) => write(this._rows[i].cells[column + 1], text));
    });
  }

  _tellWorld({ start, events, time }) {
    const past = events.filter(([at]) => at <= time);
    const { world, changes } = describeWorld(start, past);
    const name = start.hardcore ? "BipedalWalkerHardcore-v3" : "BipedalWalker-v3";
    const texts = {
      ordinary: `Gymnasium's ${name}, bit for bit`,
      disturbed: `Gymnasium's ${name}, disturbed: ${changes.join(", ")}`,
      other: `No longer Gymnasium's world: ${changes.join(", ")}`,
    };
    element("world").dataset.world = world;
    write(element("world"), texts[world]);
  }

  _describe(runner) {
    const { recorder, race } = this._player;
    const moments = recorder.recent(runner.number, race.time, SHOWN).filter(Boolean);
    const posture = classifyPosture(moments, this._limits);
    const words = [
      classifyGait(moments, this._limits, runner.end === "fell"),
      ...(posture === "upright" ? [] : [posture]), // which goes without saying
    ];
    return [
      runner.total.toFixed(1),
      `${runner.walker.distance.toFixed(1)} m`,
      `${runner.walker.speed.toFixed(1)} m/s`,
      [...new Set(words)].join(", "),
      runner.end || (runner.held >= 0 ? "driven by you" : ""),
    ];
  }

  /** Make the table anew, after other models came. */
  listModels() {
    element("scores").replaceChildren();
    this._rows = this._player.race.runners.map((runner) => {
      const row = element("scores").insertRow();
      row.insertCell().append(this._choice(runner), this._remove(runner));
      for (let i = 0; i < 5; i++) row.insertCell();
      return row;
    });
  }

  _remove({ name, number }) {
    const button = Object.assign(document.createElement("button"), {
      type: "button",
      className: "remove",
      textContent: "×",
      hidden: this._player.race.runners.length === 1,
      onclick: () => this.onRemove(number),
    });
    button.setAttribute("aria-label", `Remove ${name}`);
    return button;
  }

  /** A model's name with a button that makes its robot the solid one. */
  _choice({ name, number }) {
    const label = document.createElement("label");
    const radio = Object.assign(document.createElement("input"), {
      type: "radio",
      name: "watched",
      checked: number === this._player.watched,
      hidden: this._player.race.runners.length === 1,
      onchange: () => this._player.watch(number),
    });
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = tintOf(number)[0];
    const text = document.createElement("span");
    text.textContent = text.title = name;
    label.append(radio, swatch, text);
    return label;
  }
}
