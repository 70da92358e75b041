// Sets the theme before the first paint: a page that flashes white at night is no help.
try {
	document.documentElement.dataset.theme = localStorage.getItem('tidings.chat.theme') || 'system';
} catch {
	// Storage is forbidden: the system's theme it is.
}
