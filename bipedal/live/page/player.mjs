/**
 * A race in real time: play, pause, slow motion, and whom one watches.
 * @module
 */

import { Race } from "./race.mjs";
import { Recorder } from "./record.mjs";

/** Timesteps that are made up for after a slow frame; the rest is lost time. */
const MOST_AT_ONCE = 8;

/** Plays one race at a time. */
export class Player {
  /**
   * @param {WebAssembly.Module} module
   * @param {import("./policy.mjs").Model[]} models
   */
  constructor(module, models) {
    this._module = module;
    /** Factor of real time. */
    this.speed = 1;
    this.playing = false;
    this._owed = 0;
    this.setModels(models);
  }

  /** Let other models walk, from the next `begin` on. */
  setModels(models) {
    this.models = models;
    this.race = new Race(this._module, models);
    /** Number of the robot that is drawn solid and can be driven. */
    this.watched = 0;
  }

  /**
   * @param {import("./race.mjs").Start} start
   * @param {import("./replay.mjs").Replay | undefined} replay whose events will happen
   */
  begin(start, replay = undefined) {
    this.recorder = new Recorder(this.race.runners);
    this.race.onStep = () => this._note(replay);
    this.race.begin(start, replay?.events, replay?.time);
    this.play(true);
  }

  /** Called when a replay has come to its end, with whether every bit was the same. */
  onReplayed = () => {};

  _note(replay) {
    this.recorder.note(this.race.runners, this.race.time);
    // Whoever does something on the way has another race, with events of its own.
    if (this.race.events !== replay?.events || this.race.time !== replay.time) return;
    this.onReplayed(this.race.digest === replay.digest);
  }

  play(playing) {
    this.playing = playing;
    this._owed = 0;
  }

  /** Watch another robot; the one before has its joints back. @param {number} number */
  watch(number) {
    if (this.runner.held >= 0) this.race.act("keys", this.watched, -1);
    this.watched = number;
  }

  /** The robot that is watched. */
  get runner() {
    return this.race.runners[this.watched];
  }

  /** Do what so many seconds of real time bring. @param {number} seconds */
  advance(seconds) {
    if (!this.playing) return;
    const { FPS } = this.runner.walker.layout.constants;
    const owed = Math.min(this._owed + seconds * this.speed * FPS, MOST_AT_ONCE);
    this.play(false); // and so it stays if a step fails
    for (let step = 1; step <= owed && !this.race.over; step++) this.race.step();
    this.play(!this.race.over);
    this._owed = owed % 1;
  }

  /** One step on, or back. */
  move(steps) {
    this.play(false);
    if (steps > 0 && this.race.time === this.race.latest && !this.race.over) this.race.step();
    else this.race.goTo(this.race.time + steps);
  }
}
