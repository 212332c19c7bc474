// Runs named cases one after the other and says for each what was measured.

export class Runner {
  constructor({ only, onFailure }) {
    Object.assign(this, { only, onFailure });
    this.passed = 0;
    this.failed = [];
    this.began = performance.now();
  }

  /** `body` gets a cleanup list and returns the case's figure, a short text. `stage` is only passed on when it fails. */
  async run(name, body, { ms = 60000, stage } = {}) {
    if (this.only && !this.only.every((part) => name.includes(part))) return;
    const began = performance.now();
    const cleanups = [];
    const seconds = () => `${((performance.now() - began) / 1000).toFixed(1)} s`;
    let timer;
    try {
      const deadline = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`the case took longer than ${ms / 1000} s`)), ms);
      });
      const figure = await Promise.race([body((cleanup) => cleanups.push(cleanup)), deadline]);
      this.passed += 1;
      console.log(`ok    ${name}${figure ? `: ${figure}` : ''} (${seconds()})`);
    } catch (error) {
      this.failed.push(name);
      console.log(`FAIL  ${name} (${seconds()})\n      ${String(error?.message ?? error).split('\n').slice(0, 12).join('\n      ')}`);
      await this.onFailure?.(name, stage);
    } finally {
      clearTimeout(timer);
      for (const cleanup of cleanups.reverse()) await Promise.resolve(cleanup()).catch(() => {});
    }
  }

  /** Counts what failed outside of a case. */
  fail(name, error) {
    this.failed.push(name);
    console.log(`FAIL  ${name}\n      ${error?.message ?? error}`);
  }

  /** The closing lines; the exit code. */
  finish() {
    console.log(`\n${((performance.now() - this.began) / 1000).toFixed(0)} s of cases`);
    for (const name of this.failed) console.log(`failed: ${name}`);
    console.log(`${this.passed} passed, ${this.failed.length} failed`);
    return this.failed.length === 0 && this.passed > 0 ? 0 : 1;
  }
}

export const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** Median and range of some milliseconds. */
export function spread(values) {
  if (values.length === 0) return 'none';
  return `median ${Math.round(median(values))} ms, ${Math.round(Math.min(...values))} to ${Math.round(Math.max(...values))} ms`;
}

export function assert(truth, complaint) {
  if (!truth) throw new Error(complaint);
}
