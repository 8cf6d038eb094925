// @ts-check
// Takes images from mirrors, and allows debugs in office hours only, except for some groups. A pure function: time and user
// are data in the review.
import { Decision, Diagnostic, ImageReference, pointer } from './sdk/index.js';

/** @typedef {{ [registry: string]: string }} Mirrors */
/** @typedef {{ mirrors?: Mirrors, hours?: { from: number, to: number }, exceptGroups?: string[] }} Settings */
/** @typedef {import('./sdk/index.js').Review<Settings>} Review */

/** @param {Review} review */
export function review(review) {
  const decision = Decision.allow();
  for (const container of review.containers()) {
    if (!container.keeps('image')) judgeImage(container, review.settings.mirrors ?? {}, decision);
  }
  judgeHour(review, decision);
  return decision;
}

/** @param {Settings} settings */
export function checkSettings({ mirrors = {}, hours }) {
  const any = ImageReference.parse('any');
  const wrong = Object.entries(mirrors).filter(([, to]) => any?.withRegistry(...split(to)) === null);
  const found = wrong.map(([from, to]) =>
    Diagnostic.error('invalid-mirror', `${JSON.stringify(to)} is not a registry`, { at: pointer('mirrors', from) }),
  );
  if (hours !== undefined && hours.from >= hours.to) {
    found.push(Diagnostic.error('invalid-hours', 'the hours end before they begin', { at: pointer('hours', 'to') }));
  }
  return found;
}

/**
 * @param {import('./sdk/index.js').PlannedContainer} container
 * @param {Mirrors} mirrors
 * @param {Decision} decision
 */
function judgeImage(container, mirrors, decision) {
  const who = `container ${JSON.stringify(container.name)}`;
  const image = ImageReference.parse(container.image);
  if (image === null) {
    const why = `${who}: ${JSON.stringify(container.image)} is not an image reference`;
    decision.deny(Diagnostic.error('image-invalid', why, { at: container.at('image') }));
    return;
  }
  const mirror = Object.hasOwn(mirrors, image.registry) ? mirrors[image.registry] : undefined;
  const mirrored = mirror === undefined ? null : image.withRegistry(...split(mirror));
  if (mirrored === null || mirrored.registry === image.registry) return;
  const why = `${who}: ${image} is taken from ${mirrored}`;
  decision.set(container.at('image'), String(mirrored), Diagnostic.info('image-from-mirror', why));
}

/**
 * The registry, and the path before the repository.
 * @param {string} mirror
 * @returns {[string, string]}
 */
function split(mirror) {
  const [registry, ...path] = mirror.split('/');
  return [registry, path.join('/')];
}

/**
 * @param {Review} review
 * @param {Decision} decision
 */
function judgeHour({ settings, actor, context }, decision) {
  const { hours, exceptGroups = [] } = settings;
  if (hours === undefined || actor.groups.some((group) => exceptGroups.includes(group))) return;
  const now = new Date(context.time);
  const isWeekday = now.getUTCDay() >= 1 && now.getUTCDay() <= 5;
  const hour = now.getUTCHours();
  if (isWeekday && hour >= hours.from && hour < hours.to) return;
  const help =
    exceptGroups.length === 0 ? undefined : `members of ${exceptGroups.join(', ')} may debug at any hour`;
  const when = `from Monday to Friday between ${hours.from} and ${hours.to} o'clock UTC`;
  decision.deny(Diagnostic.error('outside-hours', `debugs happen ${when}; it is ${context.time}`, { help }));
}
