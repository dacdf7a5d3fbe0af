/** The filters and tests that jinja2 has, and transformers' `tojson`; what is not here fails when a template is read. */

const words = (text: string): ReadonlySet<string> => new Set(text.split(" "));

export const FILTER_NAMES = words(
  "abs attr batch capitalize center count d default dictsort e escape filesizeformat first float forceescape format " +
    "groupby indent int items join last length list lower map max min pprint random reject rejectattr replace reverse " +
    "round safe select selectattr slice sort string striptags sum title tojson trim truncate unique upper urlencode " +
    "urlize wordcount wordwrap xmlattr",
);

export const TEST_NAMES = words(
  "boolean callable defined divisibleby eq equalto escaped even false filter float ge greaterthan gt in integer iterable " +
    "le lessthan lower lt mapping ne none number odd sameas sequence string test true undefined upper == != > >= < <=",
);
