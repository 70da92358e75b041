//! How a corpus is kept: an input a line, escaped as Rust's byte strings are, so that heads can be
//! read and changes be seen.

use std::fmt::Write as _;

/// The text that keeps `inputs`, the short ones first.
pub fn write(mut inputs: Vec<Vec<u8>>) -> String {
    inputs.sort_by(|one, other| (one.len(), one).cmp(&(other.len(), other)));
    inputs.dedup();
    let mut text = String::new();
    for input in inputs {
        writeln!(text, "{}", input.escape_ascii()).expect("a string takes whatever is written");
    }
    text
}

/// The inputs that `text` keeps; an error is the line that keeps none.
pub fn read(text: &str) -> Result<Vec<Vec<u8>>, &str> {
    text.lines()
        .map(|line| unescape(line).ok_or(line))
        .collect()
}

fn unescape(line: &str) -> Option<Vec<u8>> {
    let mut input = Vec::new();
    let mut bytes = line.bytes();
    while let Some(byte) = bytes.next() {
        input.push(match byte {
            b'\\' => match bytes.next()? {
                b'x' => {
                    let digits = [bytes.next()?, bytes.next()?];
                    u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?
                }
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                escaped @ (b'\\' | b'\'' | b'"') => escaped,
                _ => return None,
            },
            byte => byte,
        });
    }
    Some(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let every: Vec<u8> = (0..=255).collect();
        let inputs = vec![Vec::new(), b"GET / \"HTTP\"\r\n".to_vec(), every];
        assert_eq!(read(&write(inputs.clone())), Ok(inputs));
    }

    #[test]
    fn a_line_that_was_damaged_is_named() {
        assert_eq!(read("good\nbad \\q\n"), Err("bad \\q"));
        assert_eq!(read("\\x4"), Err("\\x4"));
    }
}
