/** Python's strftime in the C locale, over local time. */

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];

const pad = (value: number, width: number, fill = "0"): string => String(value).padStart(width, fill);

/** Days since the year began, from 0. Counted in UTC, where each day has 24 hours. */
function dayOfYear(date: Date): number {
  const start = Date.UTC(date.getFullYear(), 0, 1);
  return Math.round((Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) - start) / 86_400_000);
}

/** ISO 8601: week 1 is the one with the year's first Thursday. */
function isoWeek(date: Date): { year: number; week: number } {
  const thursday = new Date(date.getFullYear(), date.getMonth(), date.getDate() + 3 - ((date.getDay() + 6) % 7));
  return { year: thursday.getFullYear(), week: Math.floor(dayOfYear(thursday) / 7) + 1 };
}

const hour12 = (date: Date): number => date.getHours() % 12 || 12;

/** `date` as the format says. A naive Python time has no zone, so %z and %Z are empty. */
export function strftime(date: Date, format: string): string {
  return format.replace(/%([-_0^#]?)([A-Za-z%])/g, (whole, flag: string, code: string) => {
    const text = field(date, code);
    if (text === null) return whole;
    if (flag === "-") return text.replace(/^[0 ]+(?=.)/, "");
    if (flag === "_") return text.replace(/^0+(?=.)/, (zeros) => " ".repeat(zeros.length));
    if (flag === "0") return text.replace(/^ +/, (spaces) => "0".repeat(spaces.length));
    if (flag === "^") return text.toUpperCase();
    return flag === "#" ? swapped(code, text) : text;
  });
}

const swapped = (code: string, text: string): string =>
  code === "p" || code === "Z" ? text.toLowerCase() : text.toUpperCase();

function field(date: Date, code: string): string | null {
  switch (code) {
    case "a":
      return DAYS[date.getDay()]!.slice(0, 3);
    case "A":
      return DAYS[date.getDay()]!;
    case "b":
    case "h":
      return MONTHS[date.getMonth()]!.slice(0, 3);
    case "B":
      return MONTHS[date.getMonth()]!;
    case "c":
      return strftime(date, "%a %b %e %H:%M:%S %Y");
    case "C":
      return pad(Math.floor(date.getFullYear() / 100), 2);
    case "d":
      return pad(date.getDate(), 2);
    case "D":
    case "x":
      return strftime(date, "%m/%d/%y");
    case "e":
      return pad(date.getDate(), 2, " ");
    case "f":
      return pad(date.getMilliseconds() * 1000, 6);
    case "F":
      return strftime(date, "%Y-%m-%d");
    case "g":
      return pad(isoWeek(date).year % 100, 2);
    case "G":
      return String(isoWeek(date).year);
    case "H":
      return pad(date.getHours(), 2);
    case "I":
      return pad(hour12(date), 2);
    case "j":
      return pad(dayOfYear(date) + 1, 3);
    case "k":
      return pad(date.getHours(), 2, " ");
    case "l":
      return pad(hour12(date), 2, " ");
    case "m":
      return pad(date.getMonth() + 1, 2);
    case "M":
      return pad(date.getMinutes(), 2);
    case "n":
      return "\n";
    case "p":
      return date.getHours() < 12 ? "AM" : "PM";
    case "P":
      return date.getHours() < 12 ? "am" : "pm";
    case "r":
      return strftime(date, "%I:%M:%S %p");
    case "R":
      return strftime(date, "%H:%M");
    case "s":
      return String(Math.floor(date.getTime() / 1000));
    case "S":
      return pad(date.getSeconds(), 2);
    case "t":
      return "\t";
    case "T":
    case "X":
      return strftime(date, "%H:%M:%S");
    case "u":
      return String(date.getDay() || 7);
    case "U":
      return pad(Math.floor((dayOfYear(date) + 7 - date.getDay()) / 7), 2);
    case "V":
      return pad(isoWeek(date).week, 2);
    case "w":
      return String(date.getDay());
    case "W":
      return pad(Math.floor((dayOfYear(date) + 7 - ((date.getDay() + 6) % 7)) / 7), 2);
    case "y":
      return pad(date.getFullYear() % 100, 2);
    case "Y":
      return String(date.getFullYear());
    case "z":
    case "Z":
      return "";
    case "%":
      return "%";
    default:
      return null;
  }
}
