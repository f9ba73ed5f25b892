//! Points, and what is made of them, as Postgres writes them.

use super::{
    float::{f64_of, parts_of_f64},
    types::{PgValue, Point},
};

type Text = Result<String, String>;

pub(super) fn point_text((x, y): Point) -> Text {
    Ok(format!("({},{})", f64_of(x)?, f64_of(y)?))
}

/// With commas between them.
fn points_text(points: impl IntoIterator<Item = Point>) -> Text {
    let texts = points.into_iter().map(point_text);
    Ok(texts.collect::<Result<Vec<_>, _>>()?.join(","))
}

pub(super) fn box_text((one, other): (Point, Point)) -> Text {
    points_text([one, other])
}

/// Also of a line, which is read as the one through two points.
pub(super) fn segment_text((start, end): (Point, Point)) -> Text {
    Ok(format!("[{}]", points_text([start, end])?))
}

/// Open: its end is not its start.
pub(super) fn path_text(points: Vec<Point>) -> Text {
    Ok(format!("[{}]", points_text(points)?))
}

pub(super) fn polygon_text(points: Vec<Point>) -> Text {
    Ok(format!("({})", points_text(points)?))
}

pub(super) fn circle_text((center, radius): (Point, super::types::HashableF64)) -> Text {
    Ok(format!("<{},{}>", point_text(center)?, f64_of(radius)?))
}

/// A value of a type of geometry. There is none for what is lost in the package: the three numbers of a line,
/// and that a path is closed.
pub(super) fn of_text(type_name: &str, text: &str) -> Option<PgValue> {
    let has_place = match type_name {
        "path" => text.starts_with('['),
        "point" | "lseg" | "box" | "polygon" | "circle" => true,
        _ => false,
    };
    let numbers = if has_place {
        numbers(text)?
    } else {
        return None;
    };
    let points: Vec<_> = numbers
        .chunks_exact(2)
        .map(|pair| point(pair[0], pair[1]))
        .collect();
    let is_even = numbers.len() % 2 == 0;
    Some(match (type_name, &points[..]) {
        ("point", [point]) if is_even => PgValue::Point(*point),
        ("lseg", [start, end]) if is_even => PgValue::Lseg((*start, *end)),
        // The upper right corner comes first.
        ("box", [upper, lower]) if is_even => PgValue::Box((*lower, *upper)),
        ("circle", [center]) if !is_even => {
            let radius = parts_of_f64(*numbers.last()?);
            PgValue::Circle((*center, radius))
        }
        ("path", _) if is_even => PgValue::Path(points),
        ("polygon", _) if is_even => PgValue::Polygon(points),
        _ => return None,
    })
}

fn point(x: f64, y: f64) -> Point {
    (parts_of_f64(x), parts_of_f64(y))
}

/// All numbers of a text, whatever stands around them.
fn numbers(text: &str) -> Option<Vec<f64>> {
    let numbers = text
        .split(',')
        .map(|number| number.trim_matches(['(', ')', '[', ']', '<', '>']));
    numbers.map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_the_server_writes() {
        let (a, b) = (point(1.0, -0.5), point(1e300, 0.0));
        for (type_name, text, expected) in [
            ("point", "(1,-0.5)", Some(PgValue::Point(a))),
            ("lseg", "[(1,-0.5),(1e+300,0)]", Some(PgValue::Lseg((a, b)))),
            ("box", "(1e+300,0),(1,-0.5)", Some(PgValue::Box((a, b)))),
            (
                "circle",
                "<(1,-0.5),2>",
                Some(PgValue::Circle((a, parts_of_f64(2.0)))),
            ),
            (
                "path",
                "[(1,-0.5),(1e+300,0)]",
                Some(PgValue::Path(vec![a, b])),
            ),
            ("path", "((1,-0.5),(1e+300,0))", None),
            ("polygon", "((1,-0.5))", Some(PgValue::Polygon(vec![a]))),
            ("line", "{1,-1,0}", None),
            ("point", "(1,2,3)", None),
            ("point", "(1)", None),
            ("circle", "<(1,2)>", None),
            ("point", "(one,2)", None),
        ] {
            assert_eq!(of_text(type_name, text), expected, "{type_name} {text}");
        }
    }

    #[test]
    fn what_is_written_is_what_the_server_reads() {
        let (a, b) = (point(1.0, -0.5), point(0.1, f64::INFINITY));
        assert_eq!(segment_text((a, b)).as_deref(), Ok("[(1,-0.5),(0.1,inf)]"));
        assert_eq!(box_text((a, b)).as_deref(), Ok("(1,-0.5),(0.1,inf)"));
        assert_eq!(
            circle_text((a, parts_of_f64(3.0))).as_deref(),
            Ok("<(1,-0.5),3>")
        );
        assert_eq!(
            polygon_text(vec![a, b]).as_deref(),
            Ok("((1,-0.5),(0.1,inf))")
        );
        assert_eq!(path_text(vec![]).as_deref(), Ok("[]"));
        assert!(point_text(((1, 0, 7), a.1)).is_err());
    }
}
