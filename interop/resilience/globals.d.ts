/** What a page keeps on its `window` while its client is under test. */
declare var subject: import('./subject.mjs').Subject;
