//! What stands for compression where the crate is built without it: types of which there is no
//! value, so that the rest of the core need not ask.

pub(crate) enum Deflate {}

impl Deflate {
    pub(crate) fn incoming(&mut self) -> &mut Incoming {
        match *self {}
    }
}

pub(crate) enum Incoming {}

#[derive(Debug)]
pub(crate) enum Inflating {}

impl Inflating {
    pub(crate) fn begin(incoming: &Incoming) -> Self {
        match *incoming {}
    }

    pub(crate) fn is_waiting(&self) -> bool {
        match *self {}
    }

    pub(crate) fn is_broken(&self) -> bool {
        match *self {}
    }

    pub(crate) fn is_ending(&self) -> bool {
        match *self {}
    }

    pub(crate) fn inflate(
        &mut self,
        _input: &mut &[u8],
        _output: &mut [u8],
        _incoming: &mut Incoming,
    ) -> usize {
        match *self {}
    }

    pub(crate) fn end(&mut self) {
        match *self {}
    }

    pub(crate) fn finish(&mut self, _output: &mut [u8], _incoming: &mut Incoming) -> (usize, bool) {
        match *self {}
    }

    pub(crate) fn release(self) {
        match self {}
    }
}

pub(crate) mod pool {
    pub(crate) fn take_buffer(_bytes: usize) -> Vec<u8> {
        Vec::new()
    }

    pub(crate) fn put_buffer(_buffer: Vec<u8>) {}
}
