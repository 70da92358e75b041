/** What our bare pages keep on their `window`, for the tests to look at. */
interface Window {
	seen: any[];
	acknowledged: number;
	room: any;
}
