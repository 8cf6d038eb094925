// The WebAssembly side: from the strings of the contract to a plugin's functions and back. The entry of a component calls this;
// authors do not.
import { Failure } from './diagnostic.js';
import { connect, log } from './host.js';
import { Decision, Review } from './policy.js';
import { Request } from './request.js';

/** The exports of a strategy: `makePlan(request)`, and `checkSettings(settings)` where the plugin has it. */
export function strategy(plugin, host) {
  const makePlan = required(plugin, 'makePlan', 'strategy');
  connect(host);
  return {
    validateSettings: (settings) => guarded(() => checked(plugin, settings)),
    makePlan: (request) =>
      guarded(() => {
        const plan = makePlan(new Request(documents(request, ['target', 'options', 'settings', 'context'])));
        return {
          steps: plan.steps.map(({ action, object }) => ({ action, object: JSON.stringify(object) })),
          attach: plan.attach ?? null,
          diagnostics: plan.diagnostics.map(diagnostic),
        };
      }),
  };
}

/** The exports of a policy: `review(review)`, and `checkSettings(settings)` where the plugin has it. */
export function policy(plugin, host) {
  const review = required(plugin, 'review', 'policy');
  connect(host);
  return {
    validateSettings: (settings) => guarded(() => checked(plugin, settings)),
    evaluate: (asked) =>
      guarded(() => {
        const names = ['plan', 'target', 'options', 'actor', 'settings', 'context'];
        return decision(review(new Review(documents(asked, names))));
      }),
  };
}

function required(plugin, name, kind) {
  if (typeof plugin[name] !== 'function') {
    throw new Error(`plugin.js must export a function ${name}: plugin.yaml says that it is a ${kind}`);
  }
  return plugin[name];
}

function documents(asked, names) {
  return Object.fromEntries(names.map((name) => [name, JSON.parse(asked[name] || '{}')]));
}

function checked(plugin, settings) {
  const found = plugin.checkSettings?.(JSON.parse(settings || '{}')) ?? [];
  return found.map(diagnostic);
}

function decision(made) {
  if (!(made instanceof Decision)) throw new Error('review must return a Decision');
  const amendments = made.amendments.map(({ operation, at, value }) => ({
    operation,
    at,
    value: value === undefined ? null : JSON.stringify(value),
  }));
  const verdict = made.verdict === 'amend' ? { tag: 'amend', val: amendments } : { tag: made.verdict };
  return { verdict, diagnostics: made.diagnostics.map(diagnostic) };
}

function diagnostic({ severity, code, at, message, help }) {
  return { severity, code, at: at ?? null, message, help: help ?? null };
}

// A failure is an answer. Everything else that is thrown is a bug: told in the log, which is shown as the reason of the trap.
function guarded(call) {
  try {
    return call();
  } catch (thrown) {
    if (thrown instanceof Failure) {
      const { kind, code, message } = thrown;
      throw { kind, code, message, diagnostics: thrown.diagnostics.map(diagnostic) };
    }
    log.error(reason(thrown));
    throw new Error(`the plugin has a bug: ${reason(thrown)}`);
  }
}

function reason(thrown) {
  if (!(thrown instanceof Error)) return JSON.stringify(thrown) ?? String(thrown);
  const place = /([\w.-]+\.[cm]?[jt]s:\d+(:\d+)?)/.exec(thrown.stack ?? '');
  return `${thrown.name}: ${thrown.message}${place === null ? '' : ` (${place[1]})`}`;
}
