// @ts-check
// Debugs a pod with the label runtime=java: with an image of Java tools, in the process namespace of the program, and with
// the volumes that the program mounts. A pure function: time and random suffix are data in the request.
import { Diagnostic, Failure, Plan, containers, ephemeralContainer, label, name, pointer } from './sdk/index.js';

/** @typedef {import('./sdk/index.js').Request<{ tools?: string }>} Request */
/** @typedef {import('./sdk/index.js').JsonObject} JsonObject */

const LABEL = 'runtime';
const TOOLS = 'registry.example.com/debug/java:21';

/** @param {Request} request */
export function makePlan(request) {
  const pod = request.pod();
  const program = chosenProgram(pod, request.options);
  const options = { targetContainer: program.name, ...request.options, image: image(pod, request) };
  const { context } = request;
  return Plan.ephemeralContainer(ephemeralContainer(pod, options, context, (container) => mount(program, container)));
}

/**
 * A typed image wins; else a Java pod gets the tools in the settings.
 * @param {JsonObject} pod
 * @param {Request} request
 */
function image(pod, { options, settings }) {
  if (options.image !== undefined) return options.image;
  if (label(pod, LABEL) === 'java') return settings.tools ?? TOOLS;
  const place = Diagnostic.error('not-java', `it is ${JSON.stringify(label(pod, LABEL))}, not "java"`, {
    at: pointer('metadata', 'labels', LABEL),
    help: '--image=IMAGE debugs it with other tools',
  });
  throw Failure.invalidRequest('not-java', `pod ${JSON.stringify(name(pod))} is not labelled ${LABEL}=java`, place);
}

/**
 * The container of --target, or the first that is not an init container.
 * @param {JsonObject} pod
 * @param {Request['options']} options
 */
function chosenProgram(pod, options) {
  const known = containers(pod).filter(({ kind }) => kind === 'containers');
  const typed = known.find(({ container }) => container.name === options.targetContainer);
  return (typed ?? known[0])?.container ?? {};
}

/**
 * Copies mounts without those of a part of a volume (subPath), which an ephemeral container cannot have.
 * @param {JsonObject} program
 * @param {JsonObject} container
 */
function mount(program, container) {
  /** @type {JsonObject[]} */
  const all = program.volumeMounts ?? [];
  const mounts = all.filter(({ subPath, subPathExpr }) => !subPath && !subPathExpr);
  if (mounts.length > 0) container.volumeMounts = mounts.map((mount) => ({ ...mount, readOnly: true }));
}
