/** Write debug strategies and policies for trocar. A plugin is a pure function; time, random suffix and user are data. */

/** A JSON object, as Kubernetes has them. */
export type JsonObject = { [field: string]: any };

export type Severity = 'error' | 'warning' | 'info';
export type FailureKind = 'invalid-settings' | 'invalid-request' | 'unsupported-target' | 'unavailable' | 'internal';
export type ContainerKind = 'initContainers' | 'containers' | 'ephemeralContainers';
export type Profile = 'legacy' | 'general' | 'baseline' | 'restricted' | 'netadmin' | 'sysadmin';

/** Joins unescaped parts to a JSON Pointer (RFC 6901). */
export function pointer(...parts: (string | number)[]): string;

/** A diagnostic about a document. */
export class Diagnostic {
  constructor(severity: Severity, code: string, message: string, more?: { at?: string | null; help?: string | null });
  severity: Severity;
  code: string;
  message: string;
  at: string | null;
  help: string | null;
  static error(code: string, message: string, more?: { at?: string; help?: string }): Diagnostic;
  static warning(code: string, message: string, more?: { at?: string; help?: string }): Diagnostic;
  static info(code: string, message: string, more?: { at?: string; help?: string }): Diagnostic;
}

/** Why a plugin refuses to answer: thrown. An ordinary refusal is a failure, never another error. */
export class Failure extends Error {
  constructor(kind: FailureKind, code: string, message: string, diagnostics?: Diagnostic[]);
  kind: FailureKind;
  code: string;
  diagnostics: Diagnostic[];
  static invalidRequest(code: string, message: string, ...diagnostics: Diagnostic[]): Failure;
  static invalidSettings(code: string, message: string, ...diagnostics: Diagnostic[]): Failure;
  static unsupportedTarget(message: string, ...diagnostics: Diagnostic[]): Failure;
  static unavailable(code: string, message: string, ...diagnostics: Diagnostic[]): Failure;
}

/** The user's options: the flags of trocar debug, as data. A newer host may send more. */
export interface DebugOptions {
  image?: string;
  args?: string[];
  argumentsOnly?: boolean;
  env?: { name: string; value: string }[];
  container?: string;
  targetContainer?: string;
  stdin?: boolean;
  stdinOnce?: boolean;
  tty?: boolean;
  imagePullPolicy?: string;
  profile?: Profile;
  custom?: JsonObject;
  copyTo?: string;
  replace?: boolean;
  sameNode?: boolean;
  shareProcesses?: boolean;
  setImage?: { [container: string]: string };
  keep?: { [what: string]: boolean };
  inherit?: JsonObject;
  asRoot?: boolean;
  pullSecrets?: string[];
  priorityClass?: string;
  tolerateAll?: boolean;
}

/** Time and random suffix as data, since a plugin has no clock and no random numbers. */
export interface Context {
  namespace: string;
  suffix: string;
  /** RFC 3339, UTC. */
  time: string;
}

/** The user and the reason of the debug. Never has credentials. */
export interface Actor {
  user: string;
  groups: string[];
  context?: string;
  cluster?: string;
  reason?: string;
}

/** A request for a plan. `Settings` is the type of the plugin's settings. */
export class Request<Settings = JsonObject> {
  constructor(documents: { target: JsonObject; options?: DebugOptions; settings?: Settings; context?: Partial<Context> });
  target: JsonObject;
  options: DebugOptions;
  settings: Settings;
  context: Context;
  /** The target as a pod; fails if it is not one. */
  pod(): JsonObject;
  /** The target as a node; fails if it is not one. */
  node(): JsonObject;
}

export interface Step {
  action: 'add-ephemeral-container' | 'create-pod' | 'delete-pod';
  object: JsonObject;
}

/** A strategy's proposal. The host checks it, policies review it, and the host applies it. */
export class Plan {
  constructor(steps?: Step[], attach?: string | null, diagnostics?: Diagnostic[]);
  steps: Step[];
  attach: string | null;
  diagnostics: Diagnostic[];
  static ephemeralContainer(container: JsonObject): Plan;
  static createPod(pod: JsonObject, attach?: string | null): Plan;
  thenDeletePod(name: string, gracePeriodSeconds?: number): this;
  with(...diagnostics: Diagnostic[]): this;
}

/** Generates a container with image, command, environment and terminal by the options: no profile, --target or --custom. */
export function debugContainer(name: string, options: DebugOptions): JsonObject;

/** Applies the options to an existing container: image, command and environment if typed, the terminal always. */
export function changeContainer(container: JsonObject, options: DebugOptions): void;

/**
 * Generates the ephemeral container for the options: with an unused name, the profile, --target and --custom.
 * `shape` may change the container before --custom is merged over it, so that what the user typed wins.
 */
export function ephemeralContainer(
  pod: JsonObject,
  options: DebugOptions,
  context: Context,
  shape?: (container: JsonObject) => void,
): JsonObject;

/** Applies a profile to an ephemeral container. */
export function applyToEphemeral(profile: Profile, container: JsonObject): void;

/** Merges a partial container over a container, as --custom does. */
export function mergeCustom(container: JsonObject, custom: JsonObject): void;

export function name(object: JsonObject): string;
export function namespace(object: JsonObject): string | null;
export function label(object: JsonObject, key: string): string | null;
export function annotation(object: JsonObject, key: string): string | null;
export function containers(pod: JsonObject): { kind: ContainerKind; index: number; container: JsonObject }[];
export function containerNames(pod: JsonObject): string[];
export function isWindows(pod: JsonObject): boolean;

/** Generates `prefix-first`, or if that is taken the next unused name in a fixed sequence. */
export function unusedName(prefix: string, first: string, taken: string[]): string;
/** Finds the known name that a mistyped one most likely meant. */
export function nearest(typed: string, known: Iterable<string>): string | null;
/** Formats names as a list in prose: `"a", "b" and "c"`; an empty list is `none`. */
export function quotedList(names: string[]): string;

/** An image reference, split into its parts. */
export class ImageReference {
  domain: string | null;
  path: string;
  tag: string | null;
  digest: string | null;
  static parse(reference: string): ImageReference | null;
  readonly registry: string;
  readonly repository: string;
  withRegistry(registry: string, prefix?: string): ImageReference | null;
  toString(): string;
}

/** A plan under review, with its context. */
export class Review<Settings = JsonObject> {
  constructor(documents: {
    plan: JsonObject;
    target?: JsonObject;
    options?: DebugOptions;
    actor?: Partial<Actor>;
    settings?: Settings;
    context?: Partial<Context>;
  });
  plan: JsonObject;
  target: JsonObject;
  options: DebugOptions;
  actor: Actor;
  settings: Settings;
  context: Context;
  readonly namespace: string;
  containers(): PlannedContainer[];
}

/** A container of a plan, with its position. */
export class PlannedContainer {
  container: JsonObject;
  kind: ContainerKind;
  /** The target's container of the same name, which was copied; null for a new container. */
  before: JsonObject | null;
  readonly name: string;
  readonly image: string;
  /** The pointer to a field of the container, from the plan's root. */
  at(...parts: (string | number)[]): string;
  /** Returns whether the target has the same container with the same value of a field. */
  keeps(field: string): boolean;
}

export interface Amendment {
  operation: 'add' | 'remove' | 'replace';
  at: string;
  value?: any;
}

/** A policy's decision. It starts as allow; amendments and denials that are added change it. */
export class Decision {
  amendments: Amendment[];
  diagnostics: Diagnostic[];
  static allow(): Decision;
  deny(why: Diagnostic): this;
  set(at: string, value: any, why: Diagnostic): this;
  remove(at: string, why: Diagnostic): this;
  note(note: Diagnostic): this;
  readonly verdict: 'allow' | 'amend' | 'deny';
}

/** The log, which users see with a higher verbosity. */
export const log: { [level in 'trace' | 'debug' | 'info' | 'warn' | 'error']: (message: string) => void };

/** Why the cluster could not be read: thrown by `cluster`. */
export interface ReadError {
  tag: 'out-of-scope' | 'not-found' | 'forbidden' | 'unavailable' | 'too-large';
  val?: string | number;
}

/** Reading the cluster, where the manifest asks for cluster-read and a user granted it. */
export const cluster: {
  get(object: { apiVersion: string; kind: string; namespace?: string; name: string }, fields?: string[]): any;
  list(query: {
    apiVersion: string;
    kind: string;
    namespace?: string;
    labelSelector?: string;
    limit?: number;
    fields?: string[];
  }): any[];
};

/** What plugin.js exports for a strategy. */
export interface StrategyPlugin<Settings = JsonObject> {
  makePlan(request: Request<Settings>): Plan;
  checkSettings?(settings: Settings): Diagnostic[];
}

/** What plugin.js exports for a policy. */
export interface PolicyPlugin<Settings = JsonObject> {
  review(review: Review<Settings>): Decision;
  checkSettings?(settings: Settings): Diagnostic[];
}
