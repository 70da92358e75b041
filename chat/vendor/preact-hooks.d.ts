// The part of Preact's hooks that the chat uses.
import type { Context } from './preact.js';

type Cleanup = void | (() => void);
export function useState<S>(initial: S | (() => S)): [S, (next: S | ((previous: S) => S)) => void];
export function useRef<T>(initial: T): { current: T };
export function useEffect(effect: () => Cleanup, inputs?: readonly unknown[]): void;
export function useLayoutEffect(effect: () => Cleanup, inputs?: readonly unknown[]): void;
export function useMemo<T>(make: () => T, inputs: readonly unknown[]): T;
export function useContext<T>(context: Context<T>): T;
