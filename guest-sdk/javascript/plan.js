// Plans, the answers of strategies: steps, the container to attach to, diagnostics. And the debug container itself.
import { Failure } from './diagnostic.js';
import { mergeCustom } from './custom.js';
import { quotedList, unusedName } from './names.js';
import { containerNames, isWindows, name as nameOf } from './pod.js';
import { applyToEphemeral, removeLinuxFields } from './profile.js';

/** A strategy's proposal. The host checks it, policies review it, and the host applies it. */
export class Plan {
  constructor(steps = [], attach = null, diagnostics = []) {
    this.steps = steps;
    this.attach = attach;
    this.diagnostics = diagnostics;
  }

  /** Adds one ephemeral container to the target and attaches to it. */
  static ephemeralContainer(container) {
    return new Plan([{ action: 'add-ephemeral-container', object: container }], container.name);
  }

  /** Creates one pod and attaches to a container of it, where one is named. */
  static createPod(pod, attach = null) {
    return new Plan([{ action: 'create-pod', object: pod }], attach);
  }

  /** Deletes the target pod next. */
  thenDeletePod(name, gracePeriodSeconds) {
    const object = gracePeriodSeconds === undefined ? { name } : { name, gracePeriodSeconds };
    this.steps.push({ action: 'delete-pod', object });
    return this;
  }

  /** Adds a message for the user. */
  with(...diagnostics) {
    this.diagnostics.push(...diagnostics);
    return this;
  }
}

/** Generates a container with image, command, environment and terminal by the options: no profile, --target or --custom. */
export function debugContainer(name, options) {
  const container = { name, terminationMessagePolicy: 'File' };
  setImage(container, options);
  setCommand(container, options);
  setEnv(container, options);
  setTerminal(container, options);
  return container;
}

/** Applies the options to an existing container: image, command and environment if typed, the terminal always. */
export function changeContainer(container, options) {
  setImage(container, options);
  if (options.args?.length > 0 && !options.argumentsOnly) delete container.args;
  setCommand(container, options);
  setEnv(container, options);
  setTerminal(container, options);
}

// The fields of a container that an ephemeral container must not have.
const NOT_EPHEMERAL = [
  'ports',
  'resources',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'restartPolicy',
  'restartPolicyRules',
  'resizePolicy',
];

/**
 * Generates the ephemeral container for the options: with an unused name, the profile, --target and --custom.
 * `shape` may change the container before --custom is merged over it, so that what the user typed wins.
 */
export function ephemeralContainer(pod, options, context, shape = () => {}) {
  const taken = containerNames(pod);
  const container = debugContainer(containerName(pod, options, context, taken), options);
  if (options.targetContainer !== undefined) {
    if (!taken.includes(options.targetContainer)) {
      const message = `--target=${options.targetContainer}: pod ${JSON.stringify(nameOf(pod))} has no such container`;
      throw Failure.invalidRequest('no-such-container', `${message}; it has ${quotedList(taken)}`);
    }
    container.targetContainerName = options.targetContainer;
  }
  applyToEphemeral(options.profile ?? 'general', container);
  if (isWindows(pod)) removeLinuxFields(container);
  shape(container);
  if (options.custom !== undefined) mergeCustom(container, options.custom);
  const refused = NOT_EPHEMERAL.filter((field) => Object.hasOwn(container, field));
  if (refused.length > 0) {
    const message = `--custom sets ${quotedList(refused)}, which an ephemeral container cannot have`;
    throw Failure.invalidRequest('custom-not-ephemeral', `${message}; a copy of the pod can (--copy-to=NAME)`);
  }
  return container;
}

function containerName(pod, options, context, taken) {
  if (options.container === undefined) return unusedName('debugger', context.suffix, taken);
  if (!taken.includes(options.container)) return options.container;
  const message = `pod ${JSON.stringify(nameOf(pod))} already has a container named ${JSON.stringify(options.container)}`;
  throw Failure.invalidRequest('container-name-taken', `${message}; the names taken are ${quotedList(taken)}`);
}

function setImage(container, options) {
  for (const field of ['image', 'imagePullPolicy']) {
    if (options[field] !== undefined) container[field] = options[field];
  }
}

function setCommand(container, options) {
  if (options.args?.length > 0) container[options.argumentsOnly ? 'args' : 'command'] = [...options.args];
}

function setEnv(container, options) {
  if (options.env?.length > 0) container.env = options.env.map(({ name, value }) => ({ name, value }));
}

function setTerminal(container, options) {
  for (const field of ['stdin', 'tty']) {
    if (options[field]) container[field] = true;
    else delete container[field];
  }
  if (options.stdin && options.stdinOnce) container.stdinOnce = true;
}
