// htm: JSX-like tagged templates.
declare const htm: {
	bind<Result>(
		make: (type: unknown, props: object | null, ...children: never[]) => Result,
	): (strings: TemplateStringsArray, ...values: unknown[]) => Result;
};
export default htm;
