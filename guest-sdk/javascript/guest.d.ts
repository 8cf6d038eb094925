import type { PolicyPlugin, StrategyPlugin } from './index.js';

/** The functions of the host, as a component imports them. */
export interface Host {
  log(level: string, message: string): void;
  cluster: object | null;
}

/** The exports of a strategy's component. */
export function strategy(plugin: StrategyPlugin<any>, host: Host): object;

/** The exports of a policy's component. */
export function policy(plugin: PolicyPlugin<any>, host: Host): object;
