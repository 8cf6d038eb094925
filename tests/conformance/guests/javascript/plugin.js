// The guest of the conformance suite in JavaScript, with the SDK. What it does is said in tests/conformance/README.md.
import { Decision, Diagnostic, Failure, Plan, log } from './sdk/index.js';

const everySeverity = () => [
  Diagnostic.error('first-code', 'an error \u{1d11e}', { at: '/metadata/name', help: 'change it' }),
  Diagnostic.warning('second-code', 'a warning', { help: 'perhaps' }),
  Diagnostic.info('third-code', 'an information', { at: '/spec' }),
];

// What both interfaces do alike.
function common({ do: order, kind }) {
  switch (order) {
    case 'fail':
      throw new Failure(kind, 'told', 'why not \u{1d11e}', everySeverity());
    case 'log':
      log.trace('a trace \u{1d11e}');
      log.debug('for debugging');
      log.info('an information');
      log.warn('a warning');
      log.error('an error');
      break;
    case 'trap':
      throw new Error('the reason of the trap');
    case 'loop':
      for (;;);
    case 'grow': {
      const taken = [];
      for (;;) taken.push(new Uint8Array(1 << 20).fill(1));
    }
  }
}

let calls = 0;

export function makePlan(request) {
  const { settings } = request;
  common(settings);
  const variable = (name, value) => ({ name, value });
  const env = {
    echo: () => [
      variable('TARGET', JSON.stringify(request.target)),
      variable('OPTIONS', JSON.stringify(request.options)),
      variable('SETTINGS', JSON.stringify(settings)),
      variable('CONTEXT', JSON.stringify(request.context)),
    ],
    count: () => [variable('CALLS', String(++calls))],
    big: () => [variable('BIG', 'x'.repeat(5 << 20))],
  }[settings.do];
  const plan = Plan.ephemeralContainer({ name: 'echo', image: 'busybox', env: env?.() ?? [] });
  return settings.do === 'tell' ? plan.with(...everySeverity()) : plan;
}

export function review(review) {
  const { settings } = review;
  common(settings);
  const decision = Decision.allow();
  if (settings.do === 'deny') for (const found of everySeverity()) decision.deny(found);
  if (settings.do === 'read' && review.actor.reason !== settings.text) {
    decision.deny(Diagnostic.error('not-read', 'the reason is another'));
  }
  if (settings.do === 'amend') {
    for (const container of review.containers()) {
      if (container.image === 'mirror.example.com/busybox') continue;
      const why = () => Diagnostic.info('mirrored', 'from the mirror');
      decision.set(container.at('image'), 'mirror.example.com/busybox', why());
      decision.remove(container.at('tty'), why());
    }
  }
  return decision;
}

export function checkSettings(settings) {
  return settings.do === 'wrong' ? everySeverity() : [];
}
