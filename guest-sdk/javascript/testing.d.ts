import type {
  Actor, Amendment, Context, DebugOptions, Diagnostic, JsonObject, PolicyPlugin, Step, StrategyPlugin,
} from './index.js';

/** A host for tests: calls a plugin as a component is called, and keeps what it logged. */
export class FakeHost {
  /** `objects` are what can be read of the cluster. */
  constructor(more?: { objects?: JsonObject[] });
  logged: { level: string; message: string }[];
  makePlan(
    plugin: StrategyPlugin<any>,
    request: { target: JsonObject; options?: DebugOptions; settings?: JsonObject; context?: Partial<Context> },
  ): { steps: Step[]; attach: string | null; diagnostics: Diagnostic[] };
  review(
    plugin: PolicyPlugin<any>,
    review: {
      plan: JsonObject;
      target?: JsonObject;
      options?: DebugOptions;
      actor?: Partial<Actor>;
      settings?: JsonObject;
      context?: Partial<Context>;
    },
  ): { verdict: 'allow' | 'amend' | 'deny'; amendments: Amendment[]; diagnostics: Diagnostic[] };
  checkSettings(plugin: StrategyPlugin<any> | PolicyPlugin<any>, settings: JsonObject): Diagnostic[];
}
