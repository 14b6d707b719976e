// Whether the page is being printed: then also what is out of sight is painted.

export const printing = { isOn: false };
