//! The graph as bytes, and back without trust.

use wire::{Error, Reader, Writer};

use super::layer::Layer;
use super::search::Graph;
use super::{Builder, HnswOptions, MAX_LAYERS, MAX_ROWS, NONE};

/// Bytes that are gathered before they are handed on.
const PIECE: usize = 64 << 10;

impl Graph {
    /// Gives `out` the graph, piece by piece: layers from the bottom, each with its degree, members, their rows and
    /// numbers below, and links (u32 each, little-endian).
    pub fn write<E>(&self, out: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut w = Writer::with_capacity(PIECE);
        w.u8(self.layers.len() as u8);
        for (number, layer) in self.layers.iter().enumerate() {
            w.u32(layer.degree() as u32);
            w.u32(layer.len());
            for local in 0..if number > 0 { layer.len() } else { 0 } {
                w.u32(layer.row(local));
                w.u32(layer.down(local));
                give(&mut w, PIECE, out)?;
            }
            // Links written meanwhile may name rows past this view's end: they are left out.
            for local in 0..layer.len() {
                let mut places = 0;
                for link in layer.neighbours(local) {
                    w.u32(link);
                    places += 1;
                }
                for _ in places..layer.degree() {
                    w.u32(NONE);
                }
                give(&mut w, PIECE, out)?;
            }
        }
        give(&mut w, 0, out)
    }

    /// Reads what [`Graph::write`] wrote, of at most `rows` rows. Every number is checked: no link, row or
    /// member outside its layer gets in, whatever the bytes are.
    pub fn read(r: &mut Reader<'_>, options: &HnswOptions, rows: u32) -> Result<Self, Error> {
        let count = r.variant(MAX_LAYERS as u8 + 1)?;
        let mut layers: Vec<Layer> = Vec::new();
        for number in 0..usize::from(count) {
            let layer = read_layer(r, options, number, layers.last(), rows)?;
            layers.push(layer);
        }
        Ok(Self { layers })
    }
}

/// Hands on what was gathered, if it is so much.
fn give<E>(w: &mut Writer, least: usize, out: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
    if w.len() >= least {
        out(w.as_slice())?;
        w.clear();
    }
    Ok(())
}

fn read_layer(
    r: &mut Reader<'_>,
    options: &HnswOptions,
    number: usize,
    below: Option<&Layer>,
    rows: u32,
) -> Result<Layer, Error> {
    let degree = options.degree(number);
    let found = r.u32()?;
    if found as usize != degree {
        return Err(r.error(format!("layer {number} has {found} links a member, {degree} were expected")));
    }
    let len = r.u32()?;
    let most = below.map_or(rows.min(MAX_ROWS), Layer::len);
    if len > most || (number > 0 && len == 0 && below.is_none()) {
        return Err(r.error(format!("layer {number} has {len} members, {most} are possible")));
    }
    let needed = (len as usize).checked_mul(degree * 4 + if number > 0 { 8 } else { 0 });
    if needed.is_none_or(|needed| needed > r.remaining()) {
        return Err(r.error(format!("layer {number} is cut short")));
    }
    let no_memory = |r: &Reader<'_>| r.error(format!("no memory for layer {number}"));
    let mut layer = Layer::new(degree, number == 0).map_err(|_| no_memory(r))?;
    layer.reserve(len as usize).map_err(|_| no_memory(r))?;
    let mut last = None;
    for local in 0..len {
        let (row, down) = match below {
            None => (local, local),
            Some(below) => {
                let (row, down) = (r.u32()?, r.u32()?);
                if down >= below.len() || below.row(down) != row || last.is_some_and(|last| last >= row) {
                    return Err(r.error(format!("member {local} of layer {number} is not row {row} below")));
                }
                (row, down)
            }
        };
        last = Some(row);
        layer.push(row, down);
    }
    let mut links = Vec::with_capacity(degree);
    for local in 0..len {
        links.clear();
        let mut ended = false;
        for _ in 0..degree {
            let link = r.u32()?;
            if link == NONE {
                ended = true;
            } else if ended || link >= len || link == local {
                return Err(r.error(format!("a link of member {local} of layer {number} leads nowhere")));
            } else {
                links.push(link);
            }
        }
        layer.set_links(local, links.iter().copied());
    }
    Ok(layer)
}

impl Graph {
    /// What is wrong with the graph, if anything: links that lead nowhere or to their own row, members of an upper layer
    /// that are not below it, or not in order.
    pub fn fault(&self) -> Option<String> {
        for (number, layer) in self.layers.iter().enumerate() {
            for local in 0..layer.len() {
                // Links to rows past this view's end were made since it was taken; `neighbours` leaves them out.
                if layer.neighbours(local).any(|link| link == local) {
                    return Some(format!("member {local} of layer {number} links to itself"));
                }
                if number == 0 {
                    continue;
                }
                let (below, down) = (&self.layers[number - 1], layer.down(local));
                if down >= below.len() || below.row(down) != layer.row(local) {
                    return Some(format!("member {local} of layer {number} is not on the layer below"));
                }
                if local > 0 && layer.row(local - 1) >= layer.row(local) {
                    return Some(format!("members {} and {local} of layer {number} are out of order", local - 1));
                }
            }
        }
        None
    }
}

impl Builder {
    /// Goes on linking where `graph`, read from a file, ends.
    pub fn resume(options: HnswOptions, graph: Graph) -> Self {
        Self::of(options, graph)
    }
}
