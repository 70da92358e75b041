// The part of Preact that the chat uses.
export interface VNode {
	type: unknown;
	props: object;
	key: unknown;
}
export type Child = VNode | string | number | boolean | null | undefined | Child[];
export interface Ref<T> {
	current: T | null;
}
export function h(type: unknown, props: object | null, ...children: Child[]): VNode;
export function render(vnode: VNode, parent: Element): void;
export abstract class Component<P = object, S = object> {
	constructor(props: P);
	props: Readonly<P> & { children?: Child };
	state: Readonly<S>;
	setState(state: Partial<S>): void;
	componentDidMount?(): void;
	componentWillUnmount?(): void;
	shouldComponentUpdate?(props: Readonly<P>, state: Readonly<S>): boolean;
	getSnapshotBeforeUpdate?(props: Readonly<P>, state: Readonly<S>): unknown;
	componentDidUpdate?(props: Readonly<P>, state: Readonly<S>, snapshot: never): void;
	abstract render(): Child;
}
export interface Context<T> {
	Provider: unknown;
	readonly initial?: T;
}
export function createContext<T>(initial: T): Context<T>;
