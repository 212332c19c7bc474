// Starts the processes of the suite, keeps their logs, ends them by pid.
import { spawn } from 'node:child_process';
import { createWriteStream, readFileSync } from 'node:fs';
import { join } from 'node:path';

const running = [];

/** Starts `command` in namespace `ns`; its output goes to `<name>.log` in the run's folder. */
export function start(run, name, ns, command, args, { env = {}, ipc = false, stdin = false, cwd } = {}) {
  const log = join(run.folder, `${name}.log`);
  const out = createWriteStream(log);
  const child = spawn('ip', ['netns', 'exec', ns, command, ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: [stdin ? 'pipe' : 'ignore', 'pipe', 'pipe', ...(ipc ? ['ipc'] : [])],
  });
  const started = { name, child, log, lines: [], watchers: new Set(), exited: false };
  const take = (chunk) => {
    out.write(chunk);
    for (const watch of started.watchers) watch(chunk.toString());
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  started.ended = new Promise((resolve) => child.once('exit', (code, signal) => {
    started.exited = true;
    started.code = code ?? signal;
    resolve();
  }));
  running.push(started);
  return started;
}

/** Resolves when the process writes a line that matches; rejects when it ends first. */
export function says(started, pattern, ms = 10000) {
  return new Promise((resolve, reject) => {
    let text = '';
    const finish = (settle, value) => {
      clearTimeout(timer);
      started.watchers.delete(watch);
      settle(value);
    };
    const watch = (chunk) => {
      text += chunk;
      const match = pattern.exec(text);
      if (match) finish(resolve, match);
    };
    const timer = setTimeout(() => finish(reject, new Error(`${started.name} did not say ${pattern} in ${ms} ms`)), ms);
    started.watchers.add(watch);
    started.ended.then(() => finish(reject, new Error(`${started.name} ended (${started.code}) before it said ${pattern}:\n${tail(started.log)}`)));
  });
}

/** Ends one process: asks, waits, insists. */
export async function end(started, ms = 5000) {
  if (started.exited) return;
  started.wasTold = true;
  started.child.kill('SIGTERM');
  const timer = setTimeout(() => started.child.kill('SIGKILL'), ms);
  await started.ended;
  clearTimeout(timer);
}

/** Ends everything, the last started first. */
export async function endAll() {
  for (const started of running.reverse()) await end(started);
  running.length = 0;
}

/** Processes that ended by themselves: in this suite that is always a fault. */
export const fallen = () => running.filter((started) => started.exited && !started.wasTold);

export function tail(path, lines = 30) {
  try {
    return readFileSync(path, 'utf8').split('\n').slice(-lines - 1).join('\n');
  } catch {
    return '(no log)';
  }
}

export const logs = () => running.map(({ name, log }) => ({ name, log }));
